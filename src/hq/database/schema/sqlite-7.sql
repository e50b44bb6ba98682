-- Schema 7: an alarm that repeats is one row; what waits for a shelf is listed; slices of abandoned pictures go; a store closes
-- its own reports alone.

ALTER TABLE images ADD COLUMN offered_ms INTEGER NOT NULL DEFAULT 0;   -- when last
UPDATE images SET offered_ms = 1000 * CAST(strftime('%s', 'now') AS INTEGER);

ALTER TABLE alarms ADD COLUMN times INTEGER NOT NULL DEFAULT 1;   -- how often it was raised
ALTER TABLE alarms ADD COLUMN last_ms INTEGER;                    -- when last, where more than once
CREATE INDEX alarms_of ON alarms (gateway);

-- What cannot go on since an object is away or damaged. Everything else does.
CREATE TABLE waiting (
    what     TEXT    NOT NULL PRIMARY KEY,    -- facts of an epoch, a picture, a segment: in words
    reason   TEXT    NOT NULL,
    since_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A report is of one store. Rows of an older program name none: they hold for whichever it is.
ALTER TABLE report_closings RENAME TO closings_before;
CREATE TABLE report_closings (
    store  TEXT    NOT NULL,
    report TEXT    NOT NULL,
    era    INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    PRIMARY KEY (store, report)
) STRICT, WITHOUT ROWID;
INSERT INTO report_closings(store, report, era, seq) SELECT '', report, era, seq FROM closings_before;
DROP TABLE closings_before;

-- Events that came to count after others behind them did: a refused one that passes now, a copy in whose stead another stood.
-- For those who follow a stream by its sequence.
CREATE TABLE late_events (
    n       INTEGER PRIMARY KEY AUTOINCREMENT,
    gateway TEXT    NOT NULL,
    epoch   TEXT    NOT NULL,
    seq     INTEGER NOT NULL,
    at_ms   INTEGER NOT NULL
) STRICT;

-- The photographs that a gateway has told of last: the pictures of those that are not here are asked for.
CREATE INDEX events_captures ON events (gateway, n) WHERE kind = 'com.skinlink.capture.v1';
