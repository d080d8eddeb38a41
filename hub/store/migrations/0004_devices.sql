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
