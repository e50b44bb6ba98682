-- Schema 12: packages that are rolled out to the stores, and what became of them there.

CREATE TABLE packages (
    sha256   TEXT    NOT NULL PRIMARY KEY,    -- of the whole file
    slot     TEXT    NOT NULL,
    version  BIGINT NOT NULL,
    bytes    BIGINT NOT NULL,
    header   TEXT    NOT NULL,                -- as it was signed
    signer   TEXT    NOT NULL,                -- fingerprint of the key
    added_ms BIGINT NOT NULL,
    added_by TEXT    NOT NULL,
    UNIQUE (slot, version)
);

-- The file itself, in the slices that go down; so all receivers have it, and the database's backup too.
CREATE TABLE package_slices (
    sha256 TEXT    NOT NULL,
    n      BIGINT NOT NULL,
    data   BYTEA   NOT NULL,
    PRIMARY KEY (sha256, n)
);

-- state: running, paused, finished, halted, back. Of each version there is one rollout for ever.
CREATE TABLE rollouts (
    n          BIGINT NOT NULL PRIMARY KEY,
    slot       TEXT    NOT NULL,
    version    BIGINT NOT NULL,
    sha256     TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    ring       BIGINT NOT NULL,              -- reached, from 0
    rings      BIGINT NOT NULL,
    since_ms   BIGINT NOT NULL,              -- the ring was reached
    started_ms BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL,
    UNIQUE (slot, version)
);
CREATE UNIQUE INDEX rollouts_under_way ON rollouts (slot) WHERE state IN ('running', 'paused');

-- Which store is in which ring, fixed at the start; letters and backlog: what it had of them when the ring was reached.
CREATE TABLE rollout_stores (
    rollout BIGINT NOT NULL,
    store   TEXT    NOT NULL,
    ring    BIGINT NOT NULL,
    letters BIGINT NOT NULL,
    backlog BIGINT NOT NULL,
    PRIMARY KEY (rollout, store)
);
CREATE INDEX rollout_stores_by_store ON rollout_stores (store);

-- What happened to a rollout, and who did it; cause: why it halted, as JSON.
CREATE TABLE rollout_steps (
    rollout BIGINT NOT NULL,
    n       BIGINT NOT NULL,
    at_ms   BIGINT NOT NULL,
    who     TEXT    NOT NULL,
    what    TEXT    NOT NULL,
    ring    BIGINT NOT NULL,
    cause   TEXT,
    PRIMARY KEY (rollout, n)
);

-- What no gateway may use any more.
CREATE TABLE withdrawn_packages (
    slot    TEXT    NOT NULL,
    version BIGINT NOT NULL,
    at_ms   BIGINT NOT NULL,
    PRIMARY KEY (slot, version)
);

-- What each gateway told of each package; stand: held, used, refused, left, or past: it was one of these and is not named any more.
CREATE TABLE package_told (
    gateway  TEXT    NOT NULL,
    slot     TEXT    NOT NULL,
    version  BIGINT NOT NULL,
    stand    TEXT    NOT NULL,
    reason   TEXT    NOT NULL,
    measured BIGINT,
    failed   BIGINT,
    since_ms BIGINT NOT NULL,                -- so since then
    at_ms    BIGINT NOT NULL,
    PRIMARY KEY (gateway, slot, version)
);
CREATE INDEX package_told_by_version ON package_told (slot, version);

-- The numbering of all that gateways are told to use; looked_ms: when a receiver last weighed the rollouts.
CREATE TABLE wanted_book (
    one       BIGINT PRIMARY KEY CHECK (one = 1),
    book      TEXT    NOT NULL,
    version   BIGINT NOT NULL,
    looked_ms BIGINT NOT NULL
);
INSERT INTO wanted_book(one, book, version, looked_ms) VALUES (1, '', 0, 0);

CREATE TABLE wanted_told (
    gateway TEXT    NOT NULL PRIMARY KEY,
    book    TEXT    NOT NULL,
    version BIGINT NOT NULL,                 -- of that book, as it says
    said    BIGINT NOT NULL,                 -- the version that it was told last
    due_ms  BIGINT NOT NULL,
    tries   BIGINT NOT NULL
);
