-- Schema 7: headquarters is told of the links to reports, and what customers say is kept with its clock.

-- id: how a link is called to headquarters; NULL for one of an older version, of which it is not told. letterhead: what the
-- page says beside the visit's own records (JSON). told: SHA-256 of what headquarters was told last; NULL: nothing.
ALTER TABLE links ADD COLUMN id BLOB;
ALTER TABLE links ADD COLUMN letterhead TEXT;
ALTER TABLE links ADD COLUMN told BLOB;
CREATE UNIQUE INDEX links_id ON links (id) WHERE id IS NOT NULL;

-- given_ms: when the customer said it, which may be long before it came here. words are the customer's own.
CREATE TABLE feedback (
    n           INTEGER PRIMARY KEY,
    id          BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    visit       BLOB    NOT NULL REFERENCES visits (id) ON DELETE CASCADE,
    topic       TEXT    NOT NULL,
    stars       INTEGER,
    words       TEXT    NOT NULL,
    at_hq       INTEGER NOT NULL,          -- 1: said on headquarters' page, which has the words already
    given_ms    INTEGER NOT NULL,
    answered_ms INTEGER,
    answered_by TEXT,
    solved_ms   INTEGER,
    solved_by   TEXT
) STRICT;
CREATE INDEX feedback_visit ON feedback (visit);
CREATE INDEX feedback_open ON feedback (given_ms) WHERE solved_ms IS NULL;
