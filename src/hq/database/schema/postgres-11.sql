-- Schema 11: who works in each store by headquarters' word, and what stores are to do once.

-- The list of a store, whole; its version counts the changes.
CREATE TABLE staff_books (
    store      TEXT    NOT NULL PRIMARY KEY,
    book       TEXT    NOT NULL,
    version    BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL
);
CREATE TABLE staff_people (
    store  TEXT NOT NULL,
    person TEXT NOT NULL,                 -- the number on the badge
    name   TEXT NOT NULL,
    role   TEXT NOT NULL,
    PRIMARY KEY (store, person)
);
-- How far each gateway says that it holds it, and when it is told again.
CREATE TABLE staff_told (
    gateway TEXT    NOT NULL PRIMARY KEY,
    book    TEXT    NOT NULL,
    version BIGINT NOT NULL,
    due_ms  BIGINT NOT NULL,
    tries   BIGINT NOT NULL
);

-- Orders, kept. giver: a person who may log in, or a key of the CRM. key: the giver's own, so that the same order given twice is one.
CREATE TABLE orders (
    order_id   TEXT    NOT NULL PRIMARY KEY,
    store      TEXT    NOT NULL,
    giver      TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    what       TEXT    NOT NULL,             -- erase | merge | check
    customer   TEXT    NOT NULL,             -- whom it is about, or who stays
    other      TEXT    NOT NULL,             -- of a merge: who goes
    given_ms   BIGINT NOT NULL,
    until_ms   BIGINT NOT NULL,
    state      TEXT    NOT NULL,             -- waiting | answered | expired
    outcome    TEXT    NOT NULL DEFAULT '',  -- done | refused | too_late
    changed_ms BIGINT NOT NULL
);
CREATE UNIQUE INDEX orders_given ON orders (giver, store, key);
CREATE INDEX orders_of ON orders (store, order_id);
CREATE INDEX orders_waiting ON orders (until_ms) WHERE state = 'waiting';
CREATE TABLE order_told (
    order_id TEXT    NOT NULL,
    gateway  TEXT    NOT NULL,
    due_ms   BIGINT NOT NULL,
    tries    BIGINT NOT NULL,
    PRIMARY KEY (order_id, gateway)
);
-- What each gateway of the store answered. Kept when facts are made again.
CREATE TABLE order_answers (
    order_id TEXT    NOT NULL,
    gateway  TEXT    NOT NULL,
    outcome  TEXT    NOT NULL,
    words    TEXT    NOT NULL,
    at_ms    BIGINT NOT NULL,               -- by the gateway's clock
    PRIMARY KEY (order_id, gateway)
);
