-- Schema 12: what follows a visit.

-- What was seen to after a visit (kind: as the list calls it), when and by whom.
CREATE TABLE followed_up (
    visit BLOB    NOT NULL REFERENCES visits (id) ON DELETE CASCADE,
    kind  TEXT    NOT NULL,
    ms    INTEGER NOT NULL,
    staff TEXT    NOT NULL,
    PRIMARY KEY (visit, kind)
) STRICT, WITHOUT ROWID;

-- The visits of a day, and those that ended lately.
CREATE INDEX visits_opened ON visits (ms);
CREATE INDEX visits_closed ON visits (closed_ms) WHERE closed_ms IS NOT NULL;

-- Which of the salon's treatments was chosen; empty: nobody chose.
ALTER TABLE sheets ADD COLUMN treatment TEXT NOT NULL DEFAULT '';

-- What was noted of a step beside its tick. It stays when the tick goes: a slip of the finger loses nothing. products: a JSON array of
-- pairs, product and batch.
CREATE TABLE step_notes (
    visit    BLOB    NOT NULL REFERENCES visits (id) ON DELETE CASCADE,
    step     TEXT    NOT NULL,
    level    INTEGER,
    setting  TEXT    NOT NULL,
    products TEXT    NOT NULL,
    remark   TEXT    NOT NULL,
    ms       INTEGER NOT NULL,
    staff    TEXT    NOT NULL,
    PRIMARY KEY (visit, step)
) STRICT, WITHOUT ROWID;

-- The batch of a product that was noted last: what is open on the shelf.
CREATE TABLE batches (
    product TEXT PRIMARY KEY,
    batch   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The customer's signature under the service sheet, before the treatment and after it: SVG path data.
CREATE TABLE signatures (
    visit   BLOB    NOT NULL REFERENCES visits (id) ON DELETE CASCADE,
    phase   TEXT    NOT NULL,
    strokes TEXT    NOT NULL,
    ms      INTEGER NOT NULL,
    staff   TEXT    NOT NULL,
    PRIMARY KEY (visit, phase)
) STRICT, WITHOUT ROWID;
