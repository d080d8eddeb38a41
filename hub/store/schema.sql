-- The store of a home, as a new home gets it. An old home reaches the same shape through migrations/, and a test
-- compares the two.
--
-- One rule runs through all tables: whatever says something about the household stands in the column `sealed`, under
-- AES-256-GCM, bound to its table and its `id`. Whoever takes the card sees how much there is and when it was written,
-- and nothing else. Outside of `sealed` there are only:
--
--   opaque ids     random 128-bit numbers, or counters that say nothing but "before" and "after";
--   times          milliseconds since 1970 in UTC, where rows must be found by time;
--   keyed hashes   HMAC-SHA-256 under a key that is itself sealed: they find a row by its name and forbid two of one
--                  kind, and without the key they cannot even be guessed at.
--
-- Every column that is repeated outside of `sealed` is inside of it too, and the two are compared when a row is read:
-- an account that is moved under another id, or a reading that is moved to another day, is noticed.
--
-- Every table that has a `sealed` also has an `id` as its primary key, so that rotation and verification walk over all
-- of them with one loop.

-- The keys that seal everything else, wrapped under the master key, which is not in here. Key 0 makes the keyed hashes
-- and never changes; the others seal rows, the highest one now. While the master key is being replaced each key stands
-- here twice, under the old master and under the new one.
--
-- This table is read before an old database is brought up to date, so that the wrong master key changes nothing: its
-- columns keep their names and meanings for ever.
CREATE TABLE data_key (
    key_id     INTEGER NOT NULL,
    master_id  BLOB    NOT NULL,               -- a keyed hash of the master key
    purpose    INTEGER NOT NULL,               -- 0 seals rows, 1 makes keyed hashes; the wrap is bound to it
    created_at INTEGER,                        -- when rotation made it, if the clock was trusted then
    seals      INTEGER NOT NULL DEFAULT 0,     -- how often it sealed, at most: GCM allows 2^32 random nonces
    passed     INTEGER NOT NULL DEFAULT 0,     -- 1: a rotation went over all rows; what still names this key is damaged
    wrapped    BLOB    NOT NULL,
    PRIMARY KEY (key_id, master_id)
) WITHOUT ROWID;

-- The journal: every sample, in the order in which it was made durable. One row is one commit: all samples that had
-- been waiting, packed and sealed as one blob, because a card is worn by the number of pages written and not by the
-- number of samples. A sample's seq is the row's id plus its place in the row.
--
-- The newest row is never deleted, not even when history is thinned: it carries the sequence, and a seq is not given
-- out twice.
CREATE TABLE journal (
    id        INTEGER PRIMARY KEY,             -- the seq of its first sample
    last_seq  INTEGER NOT NULL,                -- the seq of its last sample
    newest_at INTEGER,                         -- the newest wall time in it; NULL while the clock was not trusted
    sealed    BLOB NOT NULL
);

-- The runs of the daemon. A Raspberry Pi boots in 1970; samples of that hour count from the start of their run, and
-- once the clock is trusted the run's start is written here. Sealed, because it dates every such reading.
CREATE TABLE boot (
    id     BLOB NOT NULL PRIMARY KEY,                   -- random, made at the start of the run
    sealed BLOB NOT NULL
) WITHOUT ROWID;

-- How far each reader of the journal has come, so that a restart goes on where the work was made durable.
CREATE TABLE cursor (
    id     BLOB NOT NULL PRIMARY KEY,                   -- keyed hash of the reader's name
    sealed BLOB NOT NULL
) WITHOUT ROWID;

-- The household's contracts with suppliers.
CREATE TABLE account (
    id     BLOB NOT NULL PRIMARY KEY,                   -- random
    once   BLOB NOT NULL UNIQUE,               -- keyed hash of supplier and account number: a contract is entered once
    sealed BLOB NOT NULL
);

-- The places where a resource is measured. A point outlives its meters.
CREATE TABLE point (
    id      BLOB NOT NULL PRIMARY KEY,                  -- random
    account BLOB NOT NULL REFERENCES account (id),
    sealed  BLOB NOT NULL
);
CREATE INDEX point_of_account ON point (account);

-- The meters that hang, or hung, at a point.
CREATE TABLE meter (
    id      BLOB NOT NULL PRIMARY KEY,                  -- random
    point   BLOB NOT NULL REFERENCES point (id),
    hanging BLOB UNIQUE,                       -- keyed hash of the point while the meter hangs there: at most one does
    sealed  BLOB NOT NULL
);
CREATE INDEX meter_of_point ON meter (point);

-- The ledger: what every register of every point showed, and what was thought of it. Rows are never deleted. `id` is
-- the order of entry.
--
-- The verdict is sealed, yet the last believed value of a register must be found at once among millions: `standing`
-- is a keyed hash of point, tariff and verdict. It shows that rows are of one kind, and not of which.
CREATE TABLE ledger (
    id       INTEGER PRIMARY KEY,
    point    BLOB NOT NULL REFERENCES point (id),
    at       INTEGER,                          -- wall time of the reading; NULL until its run's start is known
    boot     BLOB,                             -- the run whose start it waits for; NULL once `at` is known
    once     BLOB NOT NULL UNIQUE,             -- keyed hash of what makes it the same reading when it is told twice
    standing BLOB NOT NULL,
    sealed   BLOB NOT NULL
);
CREATE INDEX ledger_by_time ON ledger (point, at, id);
CREATE INDEX ledger_by_entry ON ledger (standing, id);
CREATE INDEX ledger_by_standing ON ledger (standing, at, id);
CREATE INDEX ledger_of_boot ON ledger (boot) WHERE boot IS NOT NULL;

-- The acts. The period, the state, the signed document and every value in it are sealed.
CREATE TABLE act (
    id         BLOB NOT NULL PRIMARY KEY,               -- random; the portal knows the act by it
    account    BLOB NOT NULL REFERENCES account (id),
    created_at INTEGER NOT NULL,
    slot       BLOB NOT NULL UNIQUE,           -- keyed hash of account, period and the act it corrects: one of each
    chain      INTEGER,                        -- its number in the account's order of signing; NULL until it is signed
    sealed     BLOB NOT NULL,
    UNIQUE (account, chain)
);

-- Photos of meter faces, re-encoded, with their media type and hash in the blob.
CREATE TABLE photo (
    id     BLOB NOT NULL PRIMARY KEY,                   -- random
    sealed BLOB NOT NULL
);

-- Named secrets: the portal's tokens, the hub's signing keys, the owner's standing consent.
CREATE TABLE secret (
    id     BLOB NOT NULL PRIMARY KEY,                   -- keyed hash of the name
    sealed BLOB NOT NULL
) WITHOUT ROWID;

-- Who may speak MQTT, and where. Of the password only an HMAC is kept, and that is sealed too.
CREATE TABLE credential (
    id     BLOB NOT NULL PRIMARY KEY,                   -- keyed hash of the user name
    sealed BLOB NOT NULL
) WITHOUT ROWID;

-- What the owner should know: warnings and reminders that are still open.
CREATE TABLE notice (
    id     BLOB NOT NULL PRIMARY KEY,                   -- keyed hash of what makes it the same notice when it is raised twice
    sealed BLOB NOT NULL
);

-- Five drawers of small documents, one table each: what is in a document is known to the room that wrote it. `person`
-- says whose it is, by an opaque id, so that everything of a person can be found and erased in one step; NULL where it
-- is nobody's. Several documents have the same `person`, and that is all that shows.

-- The people of the home: names, roles, contacts. Whose it is, is the person themselves.
CREATE TABLE person (
    id     BLOB NOT NULL PRIMARY KEY,                   -- random: the person's own id
    person BLOB,
    sealed BLOB NOT NULL
);
CREATE INDEX person_of_person ON person (person);

-- What each of them signs in with: password hashes, passkeys, TOTP secrets, recovery codes.
CREATE TABLE factor (
    id     BLOB NOT NULL PRIMARY KEY,                   -- random
    person BLOB,
    sealed BLOB NOT NULL
);
CREATE INDEX factor_of_person ON factor (person);

-- Where each of them is signed in.
CREATE TABLE session (
    id     BLOB NOT NULL PRIMARY KEY,                   -- keyed hash of the cookie
    person BLOB,
    sealed BLOB NOT NULL
);
CREATE INDEX session_of_person ON session (person);

-- API tokens and client certificates.
CREATE TABLE access_token (
    id     BLOB NOT NULL PRIMARY KEY,                   -- keyed hash of the token or of the certificate's fingerprint
    person BLOB,
    sealed BLOB NOT NULL
);
CREATE INDEX access_token_of_person ON access_token (person);

-- What each of them agreed to have sent where.
CREATE TABLE consent (
    id     BLOB NOT NULL PRIMARY KEY,                   -- random
    person BLOB,
    sealed BLOB NOT NULL
);
CREATE INDEX consent_of_person ON consent (person);

-- The keys under which the journal of deeds keeps what is personal: one for each person who is spoken of there. Erasing
-- a person overwrites the key with nothing. The row stays, so that no later entry makes a new key for somebody who is
-- to be forgotten.
CREATE TABLE person_key (
    id     BLOB NOT NULL PRIMARY KEY,                   -- the person's id
    sealed BLOB NOT NULL
) WITHOUT ROWID;

-- The journal of deeds: who did what, and how it ended. Rows are only added, without gaps, and each contains the SHA-256
-- of the one before it. `at` stands outside so that a search by time opens fewer rows. It has no index: the rows are in
-- the order of time but for a clock that was set, and one more index is one more page written for every deed.
CREATE TABLE audit (
    id     INTEGER PRIMARY KEY,                -- from 1
    at     INTEGER,                            -- NULL while the clock was not trusted
    sealed BLOB NOT NULL
);

-- Where the journal of deeds ends: how many rows, and the hash of the last. Written with every row, so that rows that
-- are cut off at the end are missed.
CREATE TABLE audit_head (
    id     INTEGER PRIMARY KEY,                -- 1
    sealed BLOB NOT NULL
);

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

-- The rooms of the home.
CREATE TABLE room (
    id     BLOB NOT NULL PRIMARY KEY,                   -- random
    sealed BLOB NOT NULL
);

-- What the household decided about each device: its name here, its room, whether it was accepted.
CREATE TABLE device (
    id     BLOB NOT NULL PRIMARY KEY,                   -- keyed hash of dialect and device
    sealed BLOB NOT NULL
);

-- The last publish of each topic that announced something, so that devices are known after a restart although nobody
-- announces them again. Read in the order of writing: a row that is written anew goes to the end.
CREATE TABLE device_word (
    id     BLOB NOT NULL PRIMARY KEY,                   -- keyed hash of dialect and topic
    sealed BLOB NOT NULL
);

-- Devices that were forgotten and whose retained messages are still to be cleared at the broker.
CREATE TABLE farewell (
    id     BLOB NOT NULL PRIMARY KEY,                   -- keyed hash of dialect and device
    sealed BLOB NOT NULL
);

-- What the house does in danger, where it is otherwise than built in; and the rules of the household.
CREATE TABLE safety_rule (
    id     BLOB NOT NULL PRIMARY KEY,                   -- keyed hash of the rule's id
    sealed BLOB NOT NULL
);

-- Dangers that are not over, so that after a restart their sensors are asked.
CREATE TABLE danger (
    id     BLOB NOT NULL PRIMARY KEY,                   -- keyed hash of danger, device and property
    sealed BLOB NOT NULL
);

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

-- Events that somebody of the household wrote down.
CREATE TABLE calendar_event (
    id     BLOB NOT NULL PRIMARY KEY,                   -- random
    sealed BLOB NOT NULL
) WITHOUT ROWID;

-- How far an event's reminders were told, and which of its occurrences are done. Events that other rooms or calendars
-- elsewhere give have no row of their own, only this one.
CREATE TABLE calendar_mark (
    id     BLOB NOT NULL PRIMARY KEY,                   -- the event's id: random, or a keyed hash of where it is from
    sealed BLOB NOT NULL
) WITHOUT ROWID;

-- Calendars elsewhere: their addresses, which are secrets, and how the last look at each went.
CREATE TABLE calendar_source (
    id     BLOB NOT NULL PRIMARY KEY,                   -- random
    sealed BLOB NOT NULL
) WITHOUT ROWID;

-- What was last read there, so that it is known after a restart without the network too.
CREATE TABLE calendar_document (
    id     BLOB NOT NULL PRIMARY KEY,                   -- the source's id
    sealed BLOB NOT NULL
);

-- The secret addresses under which phones read this calendar.
CREATE TABLE calendar_feed (
    id     BLOB NOT NULL PRIMARY KEY,                   -- keyed hash of the secret, which itself is nowhere
    sealed BLOB NOT NULL
) WITHOUT ROWID;

-- Messages that the portal sent.
CREATE TABLE message (
    id     BLOB    NOT NULL PRIMARY KEY,                -- keyed hash of the portal's id
    at     INTEGER NOT NULL,
    sealed BLOB    NOT NULL
);
CREATE INDEX message_by_time ON message (at, id);

-- Messages for the portal, and what became of them.
CREATE TABLE message_out (
    id     BLOB    NOT NULL PRIMARY KEY,                -- random, made before the first try: the same in every try
    at     INTEGER NOT NULL,
    sealed BLOB    NOT NULL
);
CREATE INDEX message_out_by_time ON message_out (at, id);

-- How far the portal's messages were read.
CREATE TABLE message_mark (
    id     BLOB NOT NULL PRIMARY KEY,                   -- keyed hash of the mark's name
    sealed BLOB NOT NULL
) WITHOUT ROWID;

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

-- What a unit of a resource costs: every price in it was written by somebody of the household.
CREATE TABLE tariff (
    id     BLOB NOT NULL PRIMARY KEY,                   -- random
    sealed BLOB NOT NULL
) WITHOUT ROWID;

-- Rooms whose temperature is held against a norm: which thermometer, which norm.
CREATE TABLE warmth_place (
    id     BLOB NOT NULL PRIMARY KEY,                   -- random
    sealed BLOB NOT NULL
) WITHOUT ROWID;
