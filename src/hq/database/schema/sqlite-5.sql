-- Schema 5: pictures lie sealed on a shelf; persons are erased; old months are archived.

ALTER TABLE images ADD COLUMN shelf TEXT;       -- folder | bucket; absent: plain in the folder, by an older program
ALTER TABLE images ADD COLUMN object TEXT;      -- its name there
ALTER TABLE images ADD COLUMN sealed_key BLOB;  -- opens it; sealed under the chain's key
CREATE INDEX images_by_visit ON images (visit);

CREATE TABLE chain_mark (one INTEGER PRIMARY KEY CHECK (one = 1), mark BLOB NOT NULL) STRICT;

-- Objects that no row names any longer, until the shelf has removed them.
CREATE TABLE removals (
    shelf  TEXT NOT NULL,
    object TEXT NOT NULL,
    PRIMARY KEY (shelf, object)
) STRICT, WITHOUT ROWID;

-- Who was erased, and what of them: counts alone.
CREATE TABLE erasures (
    store     TEXT NOT NULL,
    customer  TEXT NOT NULL,
    events    INTEGER NOT NULL,
    pictures  INTEGER NOT NULL,
    erased_ms INTEGER NOT NULL,
    PRIMARY KEY (store, customer)
) STRICT, WITHOUT ROWID;

-- What comes later of these is erased as it comes.
CREATE TABLE erased_visits (
    store TEXT NOT NULL,
    visit TEXT NOT NULL,
    PRIMARY KEY (store, visit)
) STRICT, WITHOUT ROWID;

-- Bodies of old months, some thousand events an object.
CREATE TABLE segments (
    n          INTEGER PRIMARY KEY AUTOINCREMENT,
    month      TEXT NOT NULL,                   -- 2026-03, by HQ's clock, UTC
    events     INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,                -- of the bodies
    shelf      TEXT NOT NULL,
    object     TEXT NOT NULL,
    sealed_key BLOB NOT NULL,
    written_ms INTEGER NOT NULL
) STRICT;
ALTER TABLE events ADD COLUMN segment INTEGER REFERENCES segments (n); -- the body lies there
CREATE INDEX events_archived ON events (segment) WHERE segment IS NOT NULL;

-- Segments that hold what was redacted since: to be written anew.
CREATE TABLE stale_segments (n INTEGER PRIMARY KEY) STRICT;
