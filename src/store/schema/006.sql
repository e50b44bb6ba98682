-- Schema 6: the points of a face in a photograph, set by a person or carried over, and what its colours are held against.

ALTER TABLE captures ADD COLUMN colour TEXT NOT NULL DEFAULT 'unknown';

-- ax to by: the anchors, as in captures; nx, ny: the tip of the nose; pixels as shown.
CREATE TABLE capture_points (
    capture BLOB NOT NULL PRIMARY KEY REFERENCES captures (id) ON DELETE CASCADE,
    ax REAL NOT NULL, ay REAL NOT NULL, bx REAL NOT NULL, by REAL NOT NULL,
    nx REAL NOT NULL, ny REAL NOT NULL,
    source TEXT NOT NULL,
    staff  TEXT NOT NULL,
    boot BLOB NOT NULL, ns INTEGER NOT NULL, ms INTEGER NOT NULL, clock TEXT NOT NULL
) STRICT, WITHOUT ROWID;
