-- Schema 2: what a scan left out, and links to a customer's report.

-- left out by the beautician
ALTER TABLE scan_steps ADD COLUMN skipped INTEGER NOT NULL DEFAULT 0;

-- Only the token's digest is kept: who reads the database cannot open a report with it.
CREATE TABLE links (
    n          INTEGER PRIMARY KEY,
    digest     BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    visit      BLOB NOT NULL REFERENCES visits (id) ON DELETE CASCADE,
    expires_ms INTEGER NOT NULL,
    withdrawn  INTEGER NOT NULL DEFAULT 0,
    made_ms    INTEGER NOT NULL
) STRICT;
CREATE INDEX links_visit ON links (visit);
