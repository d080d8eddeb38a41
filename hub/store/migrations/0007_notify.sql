-- What people want to be told and how: a document for each person and for each way of reaching them, one for the household.
-- Addresses are in `sealed`. `person` is a keyed hash: all that is somebody's can be taken away without opening the rest.
CREATE TABLE telling_wish (
    id     BLOB NOT NULL PRIMARY KEY,                   -- random, or a keyed hash
    person BLOB,                                        -- NULL: the home's
    sealed BLOB NOT NULL
);

-- What was told: the news and how far each has come, why somebody was or was not told, each letter with its fate, the inboxes,
-- what is kept back until morning. Rows lie in the order of their ids, and those begin with the time.
CREATE TABLE telling (
    id      BLOB    NOT NULL PRIMARY KEY,               -- 48 bits of time, then random ones
    kind    INTEGER NOT NULL,                           -- 0 news, 1 why, 2 letter, 3 inbox, 4 kept back, 5 summary
    subject BLOB    NOT NULL,                           -- keyed hash of what it is about
    person  BLOB,                                       -- keyed hash; NULL: the home's
    at      INTEGER NOT NULL,
    open    INTEGER NOT NULL,                           -- 1: something is still to be done about it, or to be seen
    sealed  BLOB    NOT NULL
) WITHOUT ROWID;
CREATE INDEX telling_by_subject ON telling (subject, id);
CREATE INDEX telling_by_person ON telling (person, kind, id) WHERE person IS NOT NULL;
CREATE INDEX telling_open ON telling (kind, id) WHERE open = 1;
CREATE INDEX telling_by_time ON telling (at) WHERE open = 0;
