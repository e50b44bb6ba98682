-- Schema 14: packages that are rolled out to the stores, and what became of them there.

CREATE TABLE packages (
    sha256   TEXT    NOT NULL PRIMARY KEY,    -- of the whole file
    slot     TEXT    NOT NULL,
    version  INTEGER NOT NULL,
    bytes    INTEGER NOT NULL,
    header   TEXT    NOT NULL,                -- as it was signed
    signer   TEXT    NOT NULL,                -- fingerprint of the key
    added_ms INTEGER NOT NULL,
    added_by TEXT    NOT NULL,
    UNIQUE (slot, version)
) STRICT, WITHOUT ROWID;

-- The file itself, in the slices that go down; so all receivers have it, and the database's backup too.
CREATE TABLE package_slices (
    sha256 TEXT    NOT NULL,
    n      INTEGER NOT NULL,
    data   BLOB    NOT NULL,
    PRIMARY KEY (sha256, n)
) STRICT;

-- state: running, paused, finished, halted, back. Of each version there is one rollout for ever.
CREATE TABLE rollouts (
    n          INTEGER NOT NULL PRIMARY KEY,
    slot       TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    sha256     TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    ring       INTEGER NOT NULL,              -- reached, from 0
    rings      INTEGER NOT NULL,
    since_ms   INTEGER NOT NULL,              -- the ring was reached
    started_ms INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL,
    UNIQUE (slot, version)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX rollouts_under_way ON rollouts (slot) WHERE state IN ('running', 'paused');

-- Which store is in which ring, fixed at the start; letters and backlog: what it had of them when the ring was reached.
CREATE TABLE rollout_stores (
    rollout INTEGER NOT NULL,
    store   TEXT    NOT NULL,
    ring    INTEGER NOT NULL,
    letters INTEGER NOT NULL,
    backlog INTEGER NOT NULL,
    PRIMARY KEY (rollout, store)
) STRICT, WITHOUT ROWID;
CREATE INDEX rollout_stores_by_store ON rollout_stores (store);

-- What happened to a rollout, and who did it; cause: why it halted, as JSON.
CREATE TABLE rollout_steps (
    rollout INTEGER NOT NULL,
    n       INTEGER NOT NULL,
    at_ms   INTEGER NOT NULL,
    who     TEXT    NOT NULL,
    what    TEXT    NOT NULL,
    ring    INTEGER NOT NULL,
    cause   TEXT,
    PRIMARY KEY (rollout, n)
) STRICT, WITHOUT ROWID;

-- What no gateway may use any more.
CREATE TABLE withdrawn_packages (
    slot    TEXT    NOT NULL,
    version INTEGER NOT NULL,
    at_ms   INTEGER NOT NULL,
    PRIMARY KEY (slot, version)
) STRICT, WITHOUT ROWID;

-- What each gateway told of each package; stand: held, used, refused, left, or past: it was one of these and is not named any more.
CREATE TABLE package_told (
    gateway  TEXT    NOT NULL,
    slot     TEXT    NOT NULL,
    version  INTEGER NOT NULL,
    stand    TEXT    NOT NULL,
    reason   TEXT    NOT NULL,
    measured INTEGER,
    failed   INTEGER,
    since_ms INTEGER NOT NULL,                -- so since then
    at_ms    INTEGER NOT NULL,
    PRIMARY KEY (gateway, slot, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX package_told_by_version ON package_told (slot, version);

-- The numbering of all that gateways are told to use; looked_ms: when a receiver last weighed the rollouts.
CREATE TABLE wanted_book (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    book      TEXT    NOT NULL,
    version   INTEGER NOT NULL,
    looked_ms INTEGER NOT NULL
) STRICT;
INSERT INTO wanted_book(one, book, version, looked_ms) VALUES (1, '', 0, 0);

CREATE TABLE wanted_told (
    gateway TEXT    NOT NULL PRIMARY KEY,
    book    TEXT    NOT NULL,
    version INTEGER NOT NULL,                 -- of that book, as it says
    said    INTEGER NOT NULL,                 -- the version that it was told last
    due_ms  INTEGER NOT NULL,
    tries   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
