-- Scenarios: what the family wants to happen by itself, as it was written down, and who may do it.
CREATE TABLE scenario (
    id     BLOB NOT NULL PRIMARY KEY,                   -- random
    sealed BLOB NOT NULL
) WITHOUT ROWID;

-- What a scenario must not forget between its runs: how far the clock was followed, since when a value stands as it is
-- waited for, which triggers wait for their turn.
CREATE TABLE scenario_mark (
    id     BLOB NOT NULL PRIMARY KEY,                   -- the scenario's id
    sealed BLOB NOT NULL
) WITHOUT ROWID;

-- Runs that are under way: where each is, and what it is about to do. Written before that is done.
CREATE TABLE scenario_run (
    id     BLOB NOT NULL PRIMARY KEY,                   -- random
    sealed BLOB NOT NULL
) WITHOUT ROWID;

-- Runs that are over, and what happened in them. Bounded in count and days.
CREATE TABLE scenario_trace (
    id       BLOB    NOT NULL PRIMARY KEY,              -- the run's id
    scenario BLOB    NOT NULL,
    at       INTEGER NOT NULL,                          -- when it ended, as the hub's clock stood
    sealed   BLOB    NOT NULL
) WITHOUT ROWID;
CREATE INDEX scenario_trace_by_time ON scenario_trace (scenario, at);
