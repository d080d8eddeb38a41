-- Version 1: the first tables. schema.sql says what each of them is for.

CREATE TABLE data_key (
    key_id     INTEGER NOT NULL,
    master_id  BLOB    NOT NULL,
    purpose    INTEGER NOT NULL,
    created_at INTEGER,
    seals      INTEGER NOT NULL DEFAULT 0,
    passed     INTEGER NOT NULL DEFAULT 0,
    wrapped    BLOB    NOT NULL,
    PRIMARY KEY (key_id, master_id)
) WITHOUT ROWID;

CREATE TABLE journal (
    id        INTEGER PRIMARY KEY,
    last_seq  INTEGER NOT NULL,
    newest_at INTEGER,
    sealed    BLOB NOT NULL
);

CREATE TABLE boot (
    id     BLOB NOT NULL PRIMARY KEY,
    sealed BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE cursor (
    id     BLOB NOT NULL PRIMARY KEY,
    sealed BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE account (
    id     BLOB NOT NULL PRIMARY KEY,
    once   BLOB NOT NULL UNIQUE,
    sealed BLOB NOT NULL
);

CREATE TABLE point (
    id      BLOB NOT NULL PRIMARY KEY,
    account BLOB NOT NULL REFERENCES account (id),
    sealed  BLOB NOT NULL
);
CREATE INDEX point_of_account ON point (account);

CREATE TABLE meter (
    id      BLOB NOT NULL PRIMARY KEY,
    point   BLOB NOT NULL REFERENCES point (id),
    hanging BLOB UNIQUE,
    sealed  BLOB NOT NULL
);
CREATE INDEX meter_of_point ON meter (point);

CREATE TABLE ledger (
    id       INTEGER PRIMARY KEY,
    point    BLOB NOT NULL REFERENCES point (id),
    at       INTEGER,
    boot     BLOB,
    once     BLOB NOT NULL UNIQUE,
    standing BLOB NOT NULL,
    sealed   BLOB NOT NULL
);
CREATE INDEX ledger_by_time ON ledger (point, at, id);
CREATE INDEX ledger_by_entry ON ledger (standing, id);
CREATE INDEX ledger_by_standing ON ledger (standing, at, id);
CREATE INDEX ledger_of_boot ON ledger (boot) WHERE boot IS NOT NULL;

CREATE TABLE act (
    id         BLOB NOT NULL PRIMARY KEY,
    account    BLOB NOT NULL REFERENCES account (id),
    created_at INTEGER NOT NULL,
    slot       BLOB NOT NULL UNIQUE,
    chain      INTEGER,
    sealed     BLOB NOT NULL,
    UNIQUE (account, chain)
);

CREATE TABLE photo (
    id     BLOB NOT NULL PRIMARY KEY,
    sealed BLOB NOT NULL
);

CREATE TABLE secret (
    id     BLOB NOT NULL PRIMARY KEY,
    sealed BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE credential (
    id     BLOB NOT NULL PRIMARY KEY,
    sealed BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE notice (
    id     BLOB NOT NULL PRIMARY KEY,
    sealed BLOB NOT NULL
);
