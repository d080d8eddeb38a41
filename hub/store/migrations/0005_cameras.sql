-- The cameras of the home: where they are, how the house signs in there, what is recorded and how long it is kept.
CREATE TABLE camera (
    id     BLOB NOT NULL PRIMARY KEY,                   -- random
    sealed BLOB NOT NULL
);

-- The keys of the recordings: one for each camera and day. Every file of that day is sealed under a key that is derived of
-- this one, so that a day is destroyed, wherever copies of its files lie, by overwriting 32 bytes here. A day that is
-- destroyed and then recorded on gets another key under another id.
CREATE TABLE camera_day (
    id     INTEGER PRIMARY KEY,                         -- random: a file names its key by it, and no id is given twice
    camera BLOB    NOT NULL,
    day    INTEGER NOT NULL,                            -- the home's calendar day, counted from 1970-01-01
    sealed BLOB    NOT NULL,
    UNIQUE (camera, day)
);

-- The segments: one for each file of recorded video. The file is there before its row says `open`, and gone before its row
-- goes. What stands outside of `sealed` is what the folder of files shows anyway, and what its files are found by; the
-- rest, why a recording ended and what was found wrong with it, does not.
--
-- Rows lie in the order of their ids, and those begin with the time: a new row goes to the end, and the card is worn by a
-- page and not by one somewhere in a large tree.
CREATE TABLE segment (
    id      BLOB    NOT NULL PRIMARY KEY,               -- 48 bits of time, then random ones; the file is called by it
    camera  BLOB    NOT NULL,
    day     INTEGER NOT NULL,                           -- the home's calendar day in which it began
    started INTEGER NOT NULL,
    ended   INTEGER,                                    -- NULL while it is open
    bytes   INTEGER NOT NULL,
    state   INTEGER NOT NULL,                           -- 0 open, 1 done, 2 garbage, 3 missing, 4 damaged
    place   INTEGER NOT NULL,                           -- 0 here, 1 here until it is sent, 2 elsewhere
    sealed  BLOB    NOT NULL
) WITHOUT ROWID;
CREATE INDEX segment_by_time ON segment (camera, started);
CREATE INDEX segment_unsettled ON segment (state) WHERE state IN (0, 2);
CREATE INDEX segment_to_send ON segment (place) WHERE place = 1;

-- What each camera's archive comes to, so that nobody counts half a million rows before a segment is opened; the tag of the
-- newest segment, by which the next one names it; and how far retention has come.
CREATE TABLE camera_mark (
    id     BLOB NOT NULL PRIMARY KEY,                   -- the camera's id
    sealed BLOB NOT NULL
) WITHOUT ROWID;
