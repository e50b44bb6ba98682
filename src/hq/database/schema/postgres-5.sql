-- What SQLite's step 7 makes.

ALTER TABLE images ADD COLUMN offered_ms BIGINT NOT NULL DEFAULT 0;   -- when last
UPDATE images SET offered_ms = CAST(1000 * extract(epoch FROM now()) AS BIGINT);

ALTER TABLE alarms ADD COLUMN times BIGINT NOT NULL DEFAULT 1;   -- how often it was raised
ALTER TABLE alarms ADD COLUMN last_ms BIGINT;                    -- when last, where more than once
CREATE INDEX alarms_of ON alarms (gateway);

-- What cannot go on since an object is away or damaged. Everything else does.
CREATE TABLE waiting (
    what     TEXT COLLATE "C" PRIMARY KEY,    -- facts of an epoch, a picture, a segment: in words
    reason   TEXT   NOT NULL,
    since_ms BIGINT NOT NULL
);

-- A report is of one store. Rows of an older program name none: they hold for whichever it is.
ALTER TABLE report_closings RENAME TO closings_before;
CREATE TABLE report_closings (
    store  TEXT COLLATE "C" NOT NULL,
    report TEXT COLLATE "C" NOT NULL,
    era    BIGINT NOT NULL,
    seq    BIGINT NOT NULL,
    PRIMARY KEY (store, report)
);
INSERT INTO report_closings(store, report, era, seq) SELECT '', report, era, seq FROM closings_before;
DROP TABLE closings_before;

-- Events that came to count after others behind them did: a refused one that passes now, a copy in whose stead another stood.
-- For those who follow a stream by its sequence.
CREATE TABLE late_events (
    n       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gateway TEXT COLLATE "C" NOT NULL,
    epoch   TEXT COLLATE "C" NOT NULL,
    seq     BIGINT NOT NULL,
    at_ms   BIGINT NOT NULL
);

-- The photographs that a gateway has told of last: the pictures of those that are not here are asked for.
CREATE INDEX events_captures ON events (gateway, n) WHERE kind = 'com.skinlink.capture.v1';
