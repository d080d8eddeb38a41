-- Version 2: people and the journal of deeds. schema.sql says what each table is for.

CREATE TABLE person (
    id     BLOB NOT NULL PRIMARY KEY,
    person BLOB,
    sealed BLOB NOT NULL
);
CREATE INDEX person_of_person ON person (person);

CREATE TABLE factor (
    id     BLOB NOT NULL PRIMARY KEY,
    person BLOB,
    sealed BLOB NOT NULL
);
CREATE INDEX factor_of_person ON factor (person);

CREATE TABLE session (
    id     BLOB NOT NULL PRIMARY KEY,
    person BLOB,
    sealed BLOB NOT NULL
);
CREATE INDEX session_of_person ON session (person);

CREATE TABLE access_token (
    id     BLOB NOT NULL PRIMARY KEY,
    person BLOB,
    sealed BLOB NOT NULL
);
CREATE INDEX access_token_of_person ON access_token (person);

CREATE TABLE consent (
    id     BLOB NOT NULL PRIMARY KEY,
    person BLOB,
    sealed BLOB NOT NULL
);
CREATE INDEX consent_of_person ON consent (person);

CREATE TABLE person_key (
    id     BLOB NOT NULL PRIMARY KEY,
    sealed BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE audit (
    id     INTEGER PRIMARY KEY,
    at     INTEGER,
    sealed BLOB NOT NULL
);

CREATE TABLE audit_head (
    id     INTEGER PRIMARY KEY,
    sealed BLOB NOT NULL
);
