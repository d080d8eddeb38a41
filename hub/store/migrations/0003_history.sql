-- The series: one property of one device in one unit. Journal rows and blocks name a series by its number, which says
-- nothing but which was heard of first. `once` finds it again by its name.
CREATE TABLE series (
    id     INTEGER PRIMARY KEY,
    once   BLOB NOT NULL UNIQUE,               -- keyed hash of device, property and unit
    sealed BLOB NOT NULL
);

-- Blocks: the samples of one series over one span, compressed column by column. The journal's rows become blocks when
-- there is enough of them; the oldest blocks are thinned out when the budget of raw samples is spent. Blocks of one
-- series may overlap where the clock was set or something came late.
CREATE TABLE block (
    id      INTEGER PRIMARY KEY,
    series  INTEGER NOT NULL REFERENCES series (id),
    from_at INTEGER NOT NULL,                  -- the time of its first sample
    to_at   INTEGER NOT NULL,                  -- the time of its last sample
    samples INTEGER NOT NULL,                  -- how many: small blocks are found by it and merged
    sealed  BLOB NOT NULL
);
CREATE INDEX block_by_time ON block (series, from_at, to_at);
CREATE INDEX block_by_age ON block (to_at);
CREATE INDEX block_small ON block (series) WHERE samples < 1024;

-- Rollups: what became of one series in every interval of one chunk of time. Kept longer than the samples.
CREATE TABLE rollup (
    id      INTEGER PRIMARY KEY,
    series  INTEGER NOT NULL REFERENCES series (id),
    level   INTEGER NOT NULL,                  -- 0 five minutes, 1 hours, 2 days
    from_at INTEGER NOT NULL,                  -- the beginning of the chunk
    sealed  BLOB NOT NULL,
    UNIQUE (series, level, from_at)
);
CREATE INDEX rollup_by_age ON rollup (level, from_at);

-- Days whose rollups are to be made, or made again because samples of them came late. A day that has ended is rolled by
-- the next pass; until then a query computes it from the samples. Days are those of the home's time zone.
CREATE TABLE roll_due (
    series INTEGER NOT NULL REFERENCES series (id),
    day_at INTEGER NOT NULL,                   -- the beginning of the day
    PRIMARY KEY (series, day_at)
) WITHOUT ROWID;

-- How far history's own work has come, and what blocks and rollups take: sealed numbers, one row for each. 1 is the
-- tally, written together with what it counts; 2 is what is left of the write budget, written now and then.
CREATE TABLE history_mark (
    id     INTEGER PRIMARY KEY,
    sealed BLOB NOT NULL
);

-- Rows of the journal, of blocks and of rollups that do not open. They stay where they are, so that the key they name
-- is kept and a later program may read them; here it is only noted that no pass need try them again.
CREATE TABLE set_aside (
    place INTEGER NOT NULL,                    -- 0 journal, 1 block, 2 rollup
    row   INTEGER NOT NULL,
    PRIMARY KEY (place, row)
) WITHOUT ROWID;

-- The broker's log: sessions, queues and retained messages as a chain of changes, and now and then all of it anew.
CREATE TABLE broker_log (
    id     INTEGER PRIMARY KEY,
    sealed BLOB NOT NULL
);
