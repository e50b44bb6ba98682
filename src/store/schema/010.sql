-- Schema 10: the clock of retention knows which wall time it was last read at, and marks when a visit ended; pictures of a pair; what
-- headquarters has booked for this store; photographs from a folder.

-- NULL: not read since the upgrade.
ALTER TABLE retention_clock ADD COLUMN wall_ms INTEGER;

-- When the visit was closed or struck out, by the clock of retention; NULL while it is open. One that was closed under a wall clock
-- that ran ahead counts from now.
ALTER TABLE visits ADD COLUMN ended_ms INTEGER;
UPDATE visits SET ended_ms = coalesce(closed_ms, ms) WHERE state <> 'open';
UPDATE visits SET ended_ms = min(ended_ms, (SELECT reached_ms FROM retention_clock))
    WHERE ended_ms IS NOT NULL AND EXISTS (SELECT 1 FROM retention_clock);

-- Counts commits that are made for the sake of being one.
CREATE TABLE commits (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    n   INTEGER NOT NULL
) STRICT;

-- Pictures of a pair are pictures of its after photograph, under roles of their own.

-- One row for each after photograph that was laid onto its before photograph. basis: digest of all that it was made from.
-- refusal: why there are no pictures. changes: what change1, change2 and so on show, as a JSON array of texts "metric how".
CREATE TABLE pairs (
    after   BLOB PRIMARY KEY REFERENCES captures (id) ON DELETE CASCADE,
    before  BLOB NOT NULL REFERENCES captures (id) ON DELETE CASCADE,
    basis   BLOB NOT NULL CHECK (length(basis) = 32),
    refusal TEXT,
    changes TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX pairs_before ON pairs (before);

-- The beautician it is meant for, staff number or name; empty for any.
ALTER TABLE appointments ADD COLUMN staff TEXT NOT NULL DEFAULT '';

-- As headquarters told it last. hq: its own name of it. id: of the appointment, which is there once customer is known. member, phone,
-- name: whom headquarters expects.
CREATE TABLE agenda (
    hq        TEXT    PRIMARY KEY,
    id        BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    starts_ms INTEGER NOT NULL,
    minutes   INTEGER NOT NULL,
    station   TEXT    NOT NULL,
    service   TEXT    NOT NULL,
    staff     TEXT    NOT NULL,
    member    TEXT    NOT NULL,
    phone     TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    state     TEXT    NOT NULL,
    customer  BLOB    REFERENCES customers (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX agenda_customer ON agenda (customer) WHERE customer IS NOT NULL;
CREATE INDEX agenda_waits    ON agenda (starts_ms) WHERE customer IS NULL;

-- How far it is held: everything up to and with this change of that book.
CREATE TABLE agenda_held (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    book    TEXT    NOT NULL,
    version INTEGER NOT NULL
) STRICT;

-- Whom a name, or the end of a telephone number, may mean.
CREATE INDEX customers_name      ON customers (name COLLATE NOCASE);
CREATE INDEX customers_phone_end ON customers (substr(phone, -4));

-- Whether a picture that comes in is kept already.
CREATE INDEX captures_sha256 ON captures (sha256);
