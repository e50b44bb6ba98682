-- What SQLite's step 8 makes.

CREATE TABLE agenda (
    store       TEXT COLLATE "C" NOT NULL,
    appointment TEXT COLLATE "C" NOT NULL,
    starts_ms   BIGINT NOT NULL,
    minutes     BIGINT NOT NULL,
    state       TEXT   NOT NULL,
    service     TEXT   NOT NULL,
    staff       TEXT   NOT NULL,
    station     TEXT   NOT NULL,
    member      TEXT   NOT NULL,
    phone       TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    version     BIGINT NOT NULL,
    PRIMARY KEY (store, appointment)
);
CREATE INDEX agenda_changes ON agenda (store, version);
CREATE INDEX agenda_starts  ON agenda (store, starts_ms);

CREATE TABLE agenda_books (
    store    TEXT COLLATE "C" PRIMARY KEY,
    book     TEXT   NOT NULL,
    version  BIGINT NOT NULL,
    until_ms BIGINT NOT NULL
);

CREATE TABLE agenda_told (
    gateway TEXT COLLATE "C" PRIMARY KEY,
    book    TEXT   NOT NULL,
    version BIGINT NOT NULL,
    due_ms  BIGINT NOT NULL,
    tries   BIGINT NOT NULL
);
