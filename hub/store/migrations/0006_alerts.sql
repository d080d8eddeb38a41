-- Alerts: what somebody in the home should have known, kept as evidence after it is over.
CREATE TABLE alert (
    id        BLOB    NOT NULL PRIMARY KEY,             -- random; stays through all updates
    raised_at INTEGER NOT NULL,                         -- when the hub heard of it, as its clock stood
    ended_at  INTEGER,                                  -- NULL while it stands
    sealed    BLOB    NOT NULL
) WITHOUT ROWID;
CREATE INDEX alert_by_time ON alert (raised_at, id);
CREATE INDEX alert_standing ON alert (raised_at) WHERE ended_at IS NULL;

-- The messages that alerts were made of, each once, so that one that is heard again is known; and those that were taken
-- back or replaced, some of them before they were heard at all, so that a late original is not shown. Each is kept until a
-- while after its message means nothing any more.
CREATE TABLE alert_mark (
    id         BLOB    NOT NULL PRIMARY KEY,            -- keyed hash of the message's name
    keep_until INTEGER NOT NULL,
    sealed     BLOB    NOT NULL
) WITHOUT ROWID;
CREATE INDEX alert_mark_by_time ON alert_mark (keep_until);

-- How far each feed was read.
CREATE TABLE alert_feed (
    id     BLOB NOT NULL PRIMARY KEY,                   -- keyed hash of the feed's name
    sealed BLOB NOT NULL
) WITHOUT ROWID;
