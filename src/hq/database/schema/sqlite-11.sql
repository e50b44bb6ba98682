-- Schema 11: people of headquarters who log in, what they did; and what a view of the whole chain needs over time.

-- stores: `*`, or names with blanks between them.
CREATE TABLE people (
    name     TEXT    NOT NULL PRIMARY KEY,
    role     TEXT    NOT NULL,
    stores   TEXT    NOT NULL,
    password TEXT    NOT NULL,                -- argon2id
    active   INTEGER NOT NULL,
    made_ms  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- digest: of the token, which the browser alone has.
CREATE TABLE people_sessions (
    digest  BLOB    NOT NULL PRIMARY KEY,
    name    TEXT    NOT NULL,
    seen_ms INTEGER NOT NULL,
    ends_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Wrong passwords in a row: of a name, known or not, and of an address.
CREATE TABLE people_tries (
    what     TEXT    NOT NULL PRIMARY KEY,
    failures INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,                -- nothing is tried before
    told     INTEGER NOT NULL DEFAULT 0,      -- the audit says so already
    last_ms  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Who did and saw what: each hash covers its row and the hash before it.
CREATE TABLE people_audit (
    n     INTEGER NOT NULL PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    who   TEXT    NOT NULL,
    what  TEXT    NOT NULL,
    about TEXT    NOT NULL,
    hash  BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

-- The end of that chain: rows cut off its end show.
CREATE TABLE people_audit_end (one INTEGER PRIMARY KEY CHECK (one = 1), n INTEGER NOT NULL, hash BLOB NOT NULL) STRICT;
INSERT INTO people_audit_end(one, n, hash) VALUES (1, 0, zeroblob(32));

-- When gateways came and went, by the broker's word.
CREATE TABLE presence (
    gateway TEXT    NOT NULL,
    at_ms   INTEGER NOT NULL,
    online  INTEGER NOT NULL,
    PRIMARY KEY (gateway, at_ms)
) STRICT, WITHOUT ROWID;
INSERT INTO presence(gateway, at_ms, online)
SELECT gateway, status_ms, status = 'online' FROM gateways WHERE status IS NOT NULL AND status_ms IS NOT NULL;

-- When a receiver was connected to the broker: what happened in between is not known.
CREATE TABLE watches (
    from_ms INTEGER NOT NULL PRIMARY KEY,
    to_ms   INTEGER NOT NULL
) STRICT;

-- How long records took to come here, by the hour in which they came.
CREATE TABLE delays (
    gateway    TEXT    NOT NULL,
    hour_ms    INTEGER NOT NULL,
    records    INTEGER NOT NULL,
    in_time    INTEGER NOT NULL,
    untimed    INTEGER NOT NULL,              -- recorded while the gateway's clock was not set
    fastest_ms INTEGER,                       -- negative: the gateway's clock is ahead by that much at least
    PRIMARY KEY (gateway, hour_ms)
) STRICT, WITHOUT ROWID;
CREATE TABLE delay_hours (hour_ms INTEGER NOT NULL PRIMARY KEY) STRICT;
CREATE INDEX events_received ON events (received_ms);
