-- Makers' clouds: what is linked, and the devices that came from there.

-- The link with a cloud: its tokens, what they allow, how it stands.
CREATE TABLE cloud_link (
    id     BLOB NOT NULL PRIMARY KEY,                   -- keyed hash of the cloud's name
    sealed BLOB NOT NULL
) WITHOUT ROWID;

-- What a cloud has: what it is called there, since when it is known, whether it has vanished.
CREATE TABLE cloud_thing (
    id     BLOB NOT NULL PRIMARY KEY,                   -- keyed hash of the cloud's name and of the thing's id there
    sealed BLOB NOT NULL
) WITHOUT ROWID;
