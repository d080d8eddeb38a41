-- The owner's own mappings of topics, and the keys of meters that are heard by radio.

-- What the owner of the home says of a device that speaks no dialect which the house knows.
CREATE TABLE mapping (
    id     BLOB NOT NULL PRIMARY KEY,                   -- keyed hash of the mapping's own id
    sealed BLOB NOT NULL
) WITHOUT ROWID;

-- The keys of meters that encrypt what they say by radio.
CREATE TABLE meter_key (
    id     BLOB NOT NULL PRIMARY KEY,                   -- keyed hash of the meter's number
    sealed BLOB NOT NULL
) WITHOUT ROWID;
