-- Schema 8: appointments that the CRM has for a store, on their way down.

-- version: the change in the store's book that wrote the row last. member, phone, name: empty once it is called off.
CREATE TABLE agenda (
    store       TEXT    NOT NULL,
    appointment TEXT    NOT NULL,                -- the CRM's own name of it
    starts_ms   INTEGER NOT NULL,
    minutes     INTEGER NOT NULL,
    state       TEXT    NOT NULL,                -- booked | cancelled
    service     TEXT    NOT NULL,
    staff       TEXT    NOT NULL,
    station     TEXT    NOT NULL,
    member      TEXT    NOT NULL,
    phone       TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    PRIMARY KEY (store, appointment)
) STRICT, WITHOUT ROWID;
CREATE INDEX agenda_changes ON agenda (store, version);
CREATE INDEX agenda_starts  ON agenda (store, starts_ms);

-- book: the numbering of a store's changes; another one once a gateway knows more of it than this database. until_ms: as far
-- ahead as the store is told.
CREATE TABLE agenda_books (
    store    TEXT    NOT NULL PRIMARY KEY,
    book     TEXT    NOT NULL,
    version  INTEGER NOT NULL,
    until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How far each gateway holds it, by its own word; due_ms: when it is told again.
CREATE TABLE agenda_told (
    gateway TEXT    NOT NULL PRIMARY KEY,
    book    TEXT    NOT NULL,
    version INTEGER NOT NULL,
    due_ms  INTEGER NOT NULL,
    tries   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
