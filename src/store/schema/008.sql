-- Schema 8: the day of the salon round the measurement (cards, appointments, what was asked and said in a visit), and who
-- may work at its stations.

-- What the beautician must know before anything else, and what the customer likes.
CREATE TABLE cards (
    customer          BLOB PRIMARY KEY REFERENCES customers (id) ON DELETE CASCADE,
    member            TEXT NOT NULL,
    allergies         TEXT NOT NULL,
    contraindications TEXT NOT NULL,
    pressure          TEXT NOT NULL,
    drink             TEXT NOT NULL,
    music             TEXT NOT NULL,
    course            TEXT NOT NULL,
    course_total      INTEGER NOT NULL
) STRICT;
CREATE INDEX cards_member ON cards (member) WHERE member <> '';

-- One place in the day: booked (here or by headquarters) or walked in. visit: what became of it.
CREATE TABLE appointments (
    n          INTEGER PRIMARY KEY,
    id         BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    customer   BLOB NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    starts_ms  INTEGER NOT NULL,
    minutes    INTEGER NOT NULL,
    station    TEXT NOT NULL,
    service    TEXT NOT NULL,
    origin     TEXT NOT NULL,
    state      TEXT NOT NULL,
    arrived_ms INTEGER,
    visit      BLOB REFERENCES visits (id) ON DELETE SET NULL
) STRICT;
CREATE INDEX appointments_starts   ON appointments (starts_ms);
CREATE INDEX appointments_customer ON appointments (customer);
CREATE INDEX appointments_visit    ON appointments (visit) WHERE visit IS NOT NULL;

-- What was asked and said in a visit. passed: steps that leave no other trace (talk, report), as a JSON array.
CREATE TABLE sheets (
    visit      BLOB PRIMARY KEY REFERENCES visits (id) ON DELETE CASCADE,
    skin_state TEXT NOT NULL,
    make_up    TEXT NOT NULL,
    washed_min INTEGER,
    wishes     TEXT NOT NULL,
    passed     TEXT NOT NULL,
    stars      INTEGER CHECK (stars BETWEEN 1 AND 5),
    remark     TEXT NOT NULL,
    next_day   TEXT NOT NULL
) STRICT;

-- When each treatment step was ticked, and by whom.
CREATE TABLE ticks (
    visit BLOB NOT NULL REFERENCES visits (id) ON DELETE CASCADE,
    step  TEXT NOT NULL,
    ms    INTEGER NOT NULL,
    PRIMARY KEY (visit, step)
) STRICT, WITHOUT ROWID;

-- What a measurement depends on beside the skin. celsius, humidity: as read, with their decimals.
CREATE TABLE conditions (
    scan        BLOB PRIMARY KEY REFERENCES scans (id) ON DELETE CASCADE,
    probe_wiped INTEGER NOT NULL CHECK (probe_wiped IN (0, 1)),
    rested_min  INTEGER,
    washed_min  INTEGER,
    celsius     TEXT,
    humidity    TEXT
) STRICT;

-- pin: argon2id in PHC form. failures: wrong PINs since the last right one.
CREATE TABLE staff (
    n               INTEGER PRIMARY KEY,
    id              TEXT NOT NULL UNIQUE,
    name            TEXT NOT NULL,
    role            TEXT NOT NULL,
    pin             TEXT NOT NULL,
    active          INTEGER NOT NULL CHECK (active IN (0, 1)),
    failures        INTEGER NOT NULL DEFAULT 0,
    locked_until_ms INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Only the token's digest is kept: who reads the database cannot work in somebody's name.
CREATE TABLE sessions (
    digest  BLOB PRIMARY KEY CHECK (length(digest) = 32),
    staff   TEXT NOT NULL REFERENCES staff (id) ON DELETE CASCADE,
    seen_ms INTEGER NOT NULL,
    ends_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_staff ON sessions (staff);

-- Tablets that may reach the pages from the LAN. code: digest of a code that still waits for its tablet.
CREATE TABLE tablets (
    n          INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    digest     BLOB UNIQUE CHECK (length(digest) = 32),
    code       BLOB UNIQUE CHECK (length(code) = 32),
    code_ends_ms INTEGER NOT NULL,
    enrolled_ms  INTEGER
) STRICT;
