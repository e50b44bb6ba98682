-- Schema 9: a customer's record has a version, and what is written in a visit says who wrote it.

-- Counts changes of record and card together, at the main entry of a person.
ALTER TABLE customers ADD COLUMN version INTEGER NOT NULL DEFAULT 1;

-- The last of the staff who wrote; empty for what is older than this column.
ALTER TABLE sheets ADD COLUMN staff TEXT NOT NULL DEFAULT '';
ALTER TABLE ticks  ADD COLUMN staff TEXT NOT NULL DEFAULT '';

-- The day on which a device was last calibrated, as somebody of the house stated it.
CREATE TABLE calibrations (
    protocol TEXT NOT NULL,
    serial   TEXT NOT NULL,
    day      TEXT NOT NULL,
    staff    TEXT NOT NULL,
    PRIMARY KEY (protocol, serial)
) STRICT, WITHOUT ROWID;

-- The newest of what a sensor of the store said of a room, by metric: filled into a scan that begins. device: protocol and
-- serial number.
CREATE TABLE climate (
    station TEXT NOT NULL,
    metric  TEXT NOT NULL,
    value   TEXT NOT NULL,
    device  TEXT NOT NULL,
    ms      INTEGER NOT NULL,
    PRIMARY KEY (station, metric)
) STRICT, WITHOUT ROWID;

-- calibrated: the oldest of those days among the devices that were ready when the scan began. climate_by: what gave
-- temperature or humidity; empty where both were typed.
ALTER TABLE conditions ADD COLUMN calibrated TEXT NOT NULL DEFAULT '';
ALTER TABLE conditions ADD COLUMN climate_by TEXT NOT NULL DEFAULT '';
