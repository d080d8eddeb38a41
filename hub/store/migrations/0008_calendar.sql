-- The calendar, and messages to and from the portal.

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
