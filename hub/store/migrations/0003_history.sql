-- The series: one property of one device in one unit. Journal rows and blocks name a series by its number, which says
-- nothing but which was heard of first. `once` finds it again by its name.
CREATE TABLE series (
    id     INTEGER PRIMARY KEY,
    once   BLOB NOT NULL UNIQUE,               -- keyed hash of device, property and unit
    sealed BLOB NOT NULL
);

-- Blocks: the samples of one series over one span, compressed column by column. The journal's rows become blocks when
-- there is enough of them; the oldest blocks are thinned out when the budget of raw samples is spent.
CREATE TABLE block (
    id      INTEGER PRIMARY KEY,
    series  INTEGER NOT NULL REFERENCES series (id),
    from_at INTEGER NOT NULL,                  -- the time of its first sample
    to_at   INTEGER NOT NULL,                  -- the time of its last sample
    sealed  BLOB NOT NULL
);
CREATE INDEX block_by_time ON block (series, from_at);
CREATE INDEX block_by_age ON block (to_at);

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

-- The broker's log: sessions, queues and retained messages as a chain of changes, and now and then all of it anew.
CREATE TABLE broker_log (
    id     INTEGER PRIMARY KEY,
    sealed BLOB NOT NULL
);
