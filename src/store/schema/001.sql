-- Schema 1. Ids are 16 bytes; a record's time is four columns (boot, monotonic ns, wall ms, clock state); `n` is the order of
-- arrival, since wall clocks jump. Nothing measured is ever deleted except by erasure; mistakes are struck out (`voided`).

CREATE TABLE outbox_state (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    epoch       BLOB    NOT NULL CHECK (length(epoch) = 16),
    last_seq    INTEGER NOT NULL,
    pruned_upto INTEGER NOT NULL
) STRICT;

-- state: 0 waiting, 1 acknowledged, 2 dead letter
CREATE TABLE outbox (
    epoch    BLOB    NOT NULL,
    seq      INTEGER NOT NULL,
    event    BLOB    NOT NULL,
    kind     TEXT    NOT NULL,
    gate     TEXT    NOT NULL,
    customer BLOB,
    visit    BLOB,
    object   BLOB    NOT NULL,
    state    INTEGER NOT NULL DEFAULT 0,
    queued_ms  INTEGER NOT NULL,
    settled_ms INTEGER,
    reason   TEXT,
    body     TEXT    NOT NULL,
    PRIMARY KEY (epoch, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_waiting  ON outbox (epoch, seq) WHERE state = 0;
CREATE INDEX outbox_dead     ON outbox (epoch, seq) WHERE state = 2;
CREATE INDEX outbox_visit    ON outbox (visit);
CREATE INDEX outbox_customer ON outbox (customer);
CREATE INDEX outbox_object   ON outbox (object);

CREATE TABLE customers (
    n         INTEGER PRIMARY KEY,
    id        BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    name      TEXT NOT NULL,
    phone     TEXT NOT NULL,
    skin_type TEXT NOT NULL,
    notes     TEXT NOT NULL,
    alias_of  BLOB REFERENCES customers (id) ON DELETE SET NULL
) STRICT;
CREATE INDEX customers_alias ON customers (alias_of);

CREATE TABLE consents (
    n            INTEGER PRIMARY KEY,
    id           BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    customer     BLOB NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    purpose      TEXT NOT NULL,
    given        INTEGER NOT NULL CHECK (given IN (0, 1)),
    text_version TEXT NOT NULL,
    channel      TEXT NOT NULL,
    staff        TEXT NOT NULL,
    signature    TEXT NOT NULL,
    boot BLOB NOT NULL, ns INTEGER NOT NULL, ms INTEGER NOT NULL, clock TEXT NOT NULL
) STRICT;
CREATE INDEX consents_customer ON consents (customer, purpose);

CREATE TABLE visits (
    n          INTEGER PRIMARY KEY,
    id         BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    customer   BLOB NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    station    TEXT NOT NULL,
    beautician TEXT NOT NULL,
    state      TEXT NOT NULL,
    steps      TEXT NOT NULL,
    version    INTEGER NOT NULL,
    boot BLOB NOT NULL, ns INTEGER NOT NULL, ms INTEGER NOT NULL, clock TEXT NOT NULL,
    closed_boot BLOB, closed_ns INTEGER, closed_ms INTEGER, closed_clock TEXT
) STRICT;
CREATE INDEX visits_customer ON visits (customer);
-- The chair seats one customer.
CREATE UNIQUE INDEX visits_open ON visits (station) WHERE state = 'open';

CREATE TABLE scans (
    n     INTEGER PRIMARY KEY,
    id    BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    visit BLOB NOT NULL REFERENCES visits (id) ON DELETE CASCADE,
    phase TEXT NOT NULL,
    state TEXT NOT NULL,
    -- what it was before it was voided, so that it can be restored
    was   TEXT,
    boot BLOB NOT NULL, ns INTEGER NOT NULL, ms INTEGER NOT NULL, clock TEXT NOT NULL
) STRICT;
CREATE INDEX scans_visit ON scans (visit);

CREATE TABLE scan_steps (
    scan    BLOB    NOT NULL REFERENCES scans (id) ON DELETE CASCADE,
    place   INTEGER NOT NULL,
    metric  TEXT    NOT NULL,
    region  TEXT    NOT NULL,
    repeats INTEGER NOT NULL,
    PRIMARY KEY (scan, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE devices (
    n                INTEGER PRIMARY KEY,
    protocol         TEXT NOT NULL,
    protocol_version TEXT NOT NULL,
    serial           TEXT NOT NULL,
    probe            TEXT NOT NULL,
    firmware         TEXT NOT NULL,
    UNIQUE (serial, protocol, protocol_version, probe, firmware)
) STRICT;

CREATE TABLE readings (
    n      INTEGER PRIMARY KEY,
    id     BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    scan   BLOB NOT NULL REFERENCES scans (id) ON DELETE CASCADE,
    metric TEXT NOT NULL,
    region TEXT NOT NULL,
    unit   TEXT NOT NULL,
    value  TEXT NOT NULL,
    spread REAL,
    device INTEGER NOT NULL REFERENCES devices (n),
    voided INTEGER NOT NULL DEFAULT 0,
    -- whether HQ was told of it
    told   INTEGER NOT NULL,
    boot BLOB NOT NULL, ns INTEGER NOT NULL, ms INTEGER NOT NULL, clock TEXT NOT NULL
) STRICT;
CREATE INDEX readings_scan ON readings (scan);

-- One value accepted from a device. scan NULL: in the tray, until someone says whose it is.
CREATE TABLE repeats (
    n       INTEGER PRIMARY KEY,
    id      BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    station TEXT NOT NULL,
    scan    BLOB REFERENCES scans (id) ON DELETE CASCADE,
    reading BLOB REFERENCES readings (id) ON DELETE SET NULL,
    metric  TEXT NOT NULL,
    region  TEXT,
    unit    TEXT NOT NULL,
    value   TEXT NOT NULL,
    flags   TEXT NOT NULL,
    device  INTEGER NOT NULL REFERENCES devices (n),
    counter INTEGER,
    -- counts for nothing any more: taken out of the tray, or measured again; it stays stored
    dismissed INTEGER NOT NULL DEFAULT 0,
    boot BLOB NOT NULL, ns INTEGER NOT NULL, ms INTEGER NOT NULL, clock TEXT NOT NULL
) STRICT;
CREATE INDEX repeats_scan    ON repeats (scan) WHERE scan IS NOT NULL;
CREATE INDEX repeats_reading ON repeats (reading) WHERE reading IS NOT NULL;
CREATE INDEX repeats_tray    ON repeats (station) WHERE scan IS NULL AND dismissed = 0;
CREATE INDEX repeats_counter ON repeats (device, counter) WHERE counter IS NOT NULL;

CREATE TABLE captures (
    n      INTEGER PRIMARY KEY,
    id     BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    scan   BLOB NOT NULL REFERENCES scans (id) ON DELETE CASCADE,
    view   TEXT NOT NULL,
    light  TEXT NOT NULL,
    format TEXT NOT NULL,
    width  INTEGER NOT NULL,
    height INTEGER NOT NULL,
    bytes  INTEGER NOT NULL,
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
    ax REAL NOT NULL, ay REAL NOT NULL, bx REAL NOT NULL, by REAL NOT NULL,
    complaints TEXT NOT NULL,
    camera TEXT NOT NULL,
    voided INTEGER NOT NULL DEFAULT 0,
    told   INTEGER NOT NULL,
    boot BLOB NOT NULL, ns INTEGER NOT NULL, ms INTEGER NOT NULL, clock TEXT NOT NULL
) STRICT;
CREATE INDEX captures_scan ON captures (scan);

-- One encrypted file of a capture. owed: 0 no, 1 to HQ, 2 verified there, 3 refused there. kept 0: the file is gone by retention.
CREATE TABLE pictures (
    n       INTEGER PRIMARY KEY,
    capture BLOB NOT NULL REFERENCES captures (id) ON DELETE CASCADE,
    role    TEXT NOT NULL,
    format  TEXT NOT NULL,
    bytes   INTEGER NOT NULL,
    sha256  BLOB NOT NULL CHECK (length(sha256) = 32),
    key     BLOB NOT NULL,
    -- whose customer key wraps `key`
    owner   BLOB NOT NULL,
    owed    INTEGER NOT NULL DEFAULT 0,
    reason  TEXT,
    kept    INTEGER NOT NULL DEFAULT 1,
    saved_ms INTEGER NOT NULL,
    UNIQUE (capture, role)
) STRICT;
CREATE INDEX pictures_owed ON pictures (role, n) WHERE owed = 1;

CREATE TABLE scores (
    n       INTEGER PRIMARY KEY,
    id      BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    capture BLOB NOT NULL REFERENCES captures (id) ON DELETE CASCADE,
    model   TEXT NOT NULL,
    model_version TEXT NOT NULL,
    model_digest  TEXT NOT NULL,
    provider TEXT NOT NULL,
    metric  TEXT NOT NULL,
    region  TEXT NOT NULL,
    value   TEXT NOT NULL,
    unit    TEXT NOT NULL,
    told    INTEGER NOT NULL,
    boot BLOB NOT NULL, ns INTEGER NOT NULL, ms INTEGER NOT NULL, clock TEXT NOT NULL
) STRICT;
CREATE INDEX scores_capture ON scores (capture);

CREATE TABLE comparisons (
    n        INTEGER PRIMARY KEY,
    id       BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    visit    BLOB NOT NULL REFERENCES visits (id) ON DELETE CASCADE,
    baseline TEXT NOT NULL,
    before   BLOB NOT NULL REFERENCES scans (id) ON DELETE CASCADE,
    after    BLOB NOT NULL REFERENCES scans (id) ON DELETE CASCADE,
    tested   INTEGER NOT NULL,
    told     INTEGER NOT NULL,
    boot BLOB NOT NULL, ns INTEGER NOT NULL, ms INTEGER NOT NULL, clock TEXT NOT NULL
) STRICT;
CREATE INDEX comparisons_visit  ON comparisons (visit);
CREATE INDEX comparisons_before ON comparisons (before);
CREATE INDEX comparisons_after  ON comparisons (after);

CREATE TABLE comparison_items (
    comparison BLOB    NOT NULL REFERENCES comparisons (id) ON DELETE CASCADE,
    place      INTEGER NOT NULL,
    metric     TEXT    NOT NULL,
    region     TEXT    NOT NULL,
    unit       TEXT    NOT NULL,
    before     REAL,
    after      REAL,
    change     REAL,
    smallest   REAL,
    verdict    TEXT    NOT NULL,
    refusal    TEXT,
    model TEXT, model_version TEXT, model_digest TEXT, provider TEXT,
    PRIMARY KEY (comparison, place)
) STRICT, WITHOUT ROWID;

-- Each row's hash covers the row and the hash before it.
CREATE TABLE audit (
    n        INTEGER PRIMARY KEY,
    ms       INTEGER NOT NULL,
    who      TEXT NOT NULL,
    what     TEXT NOT NULL,
    customer BLOB,
    detail   TEXT NOT NULL,
    hash     BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX audit_customer ON audit (customer);
