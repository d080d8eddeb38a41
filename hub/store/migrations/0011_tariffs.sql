-- Tariffs: what a unit of a resource costs, from when on. Rooms whose warmth is watched for a recalculation of heating.

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
