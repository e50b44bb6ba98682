-- Schema 14: who works here by headquarters' word, and what it wanted done.

-- hq: headquarters has named the person. An empty pin: nobody gets in under that number until the manager sets one.
ALTER TABLE staff ADD COLUMN hq INTEGER NOT NULL DEFAULT 0 CHECK (hq IN (0, 1));

-- Headquarters' list as it was told last, whole; and how far that is.
CREATE TABLE staff_told (
    id   TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE staff_held (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    book    TEXT    NOT NULL,
    version INTEGER NOT NULL
) STRICT;

-- Orders that were answered: whatever is said again of them is passed over. until_ms: headquarters does not say it after.
CREATE TABLE orders (
    id       BLOB    PRIMARY KEY CHECK (length(id) = 16),
    outcome  TEXT    NOT NULL,
    until_ms INTEGER NOT NULL,
    done_ms  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
