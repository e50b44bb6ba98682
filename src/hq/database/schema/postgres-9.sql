-- Schema 9: people of headquarters who log in, what they did; and what a view of the whole chain needs over time.

-- stores: `*`, or names with blanks between them.
CREATE TABLE people (
    name     TEXT    NOT NULL PRIMARY KEY,
    role     TEXT    NOT NULL,
    stores   TEXT    NOT NULL,
    password TEXT    NOT NULL,                -- argon2id
    active   BIGINT NOT NULL,
    made_ms  BIGINT NOT NULL
);

-- digest: of the token, which the browser alone has.
CREATE TABLE people_sessions (
    digest  BYTEA    NOT NULL PRIMARY KEY,
    name    TEXT    NOT NULL,
    seen_ms BIGINT NOT NULL,
    ends_ms BIGINT NOT NULL
);

-- Wrong passwords in a row: of a name, known or not, and of an address.
CREATE TABLE people_tries (
    what     TEXT    NOT NULL PRIMARY KEY,
    failures BIGINT NOT NULL,
    until_ms BIGINT NOT NULL,                -- nothing is tried before
    told     BIGINT NOT NULL DEFAULT 0,      -- the audit says so already
    last_ms  BIGINT NOT NULL
);

-- Who did and saw what: each hash covers its row and the hash before it.
CREATE TABLE people_audit (
    n     BIGINT NOT NULL PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    who   TEXT    NOT NULL,
    what  TEXT    NOT NULL,
    about TEXT    NOT NULL,
    hash  BYTEA    NOT NULL
);

-- The end of that chain: rows cut off its end show.
CREATE TABLE people_audit_end (one BIGINT PRIMARY KEY CHECK (one = 1), n BIGINT NOT NULL, hash BYTEA NOT NULL);
INSERT INTO people_audit_end(one, n, hash) VALUES (1, 0, decode(repeat('00', 32), 'hex'));

-- When gateways came and went, by the broker's word.
CREATE TABLE presence (
    gateway TEXT    NOT NULL,
    at_ms   BIGINT NOT NULL,
    online  BIGINT NOT NULL,
    PRIMARY KEY (gateway, at_ms)
);
INSERT INTO presence(gateway, at_ms, online)
SELECT gateway, status_ms, CASE WHEN status = 'online' THEN 1 ELSE 0 END FROM gateways WHERE status IS NOT NULL AND status_ms IS NOT NULL;

-- When a receiver was connected to the broker: what happened in between is not known.
CREATE TABLE watches (
    from_ms BIGINT NOT NULL PRIMARY KEY,
    to_ms   BIGINT NOT NULL
);

-- How long records took to come here, by the hour in which they came.
CREATE TABLE delays (
    gateway    TEXT    NOT NULL,
    hour_ms    BIGINT NOT NULL,
    records    BIGINT NOT NULL,
    in_time    BIGINT NOT NULL,
    untimed    BIGINT NOT NULL,              -- recorded while the gateway's clock was not set
    fastest_ms BIGINT,                       -- negative: the gateway's clock is ahead by that much at least
    PRIMARY KEY (gateway, hour_ms)
);
CREATE TABLE delay_hours (hour_ms BIGINT NOT NULL PRIMARY KEY);
CREATE INDEX events_received ON events (received_ms);
