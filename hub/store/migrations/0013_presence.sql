-- Who of the household is at home.

-- One person: by which devices it is seen, what was said by hand, and how it stood last.
CREATE TABLE presence (
    id     BLOB NOT NULL PRIMARY KEY,                   -- the person's id, which is random
    sealed BLOB NOT NULL
) WITHOUT ROWID;

-- The secret addresses by which phones say that their owner came or left.
CREATE TABLE presence_link (
    id     BLOB NOT NULL PRIMARY KEY,                   -- keyed hash of the secret, which itself is nowhere
    sealed BLOB NOT NULL
) WITHOUT ROWID;
