-- What SQLite's step 5 makes.

ALTER TABLE images ADD COLUMN shelf TEXT;       -- folder | bucket; absent: plain in the folder, by an older program
ALTER TABLE images ADD COLUMN object TEXT;      -- its name there
ALTER TABLE images ADD COLUMN sealed_key BYTEA;  -- opens it; sealed under the chain's key
CREATE INDEX images_by_visit ON images (visit);

CREATE TABLE chain_mark (one BIGINT PRIMARY KEY CHECK (one = 1), mark BYTEA NOT NULL);

-- Objects that no row names any longer, until the shelf has removed them.
CREATE TABLE removals (
    shelf  TEXT NOT NULL,
    object TEXT NOT NULL,
    PRIMARY KEY (shelf, object)
);

-- Who was erased, and what of them: counts alone.
CREATE TABLE erasures (
    store     TEXT COLLATE "C" NOT NULL,
    customer  TEXT COLLATE "C" NOT NULL,
    events    BIGINT NOT NULL,
    pictures  BIGINT NOT NULL,
    erased_ms BIGINT NOT NULL,
    PRIMARY KEY (store, customer)
);

-- What comes later of these is erased as it comes.
CREATE TABLE erased_visits (
    store TEXT NOT NULL,
    visit TEXT NOT NULL,
    PRIMARY KEY (store, visit)
);

-- Bodies of old months, some thousand events an object.
CREATE TABLE segments (
    n          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    month      TEXT NOT NULL,                   -- 2026-03, by HQ's clock, UTC
    events     BIGINT NOT NULL,
    bytes      BIGINT NOT NULL,                -- of the bodies
    shelf      TEXT NOT NULL,
    object     TEXT NOT NULL,
    sealed_key BYTEA NOT NULL,
    written_ms BIGINT NOT NULL
);
ALTER TABLE events ADD COLUMN segment BIGINT REFERENCES segments (n); -- the body lies there
CREATE INDEX events_archived ON events (segment) WHERE segment IS NOT NULL;

-- Segments that hold what was redacted since: to be written anew.
CREATE TABLE stale_segments (n BIGINT PRIMARY KEY);
