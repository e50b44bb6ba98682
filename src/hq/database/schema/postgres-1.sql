-- What SQLite's steps 1 to 3 make, for PostgreSQL 13 and later. Names and meanings are the same on both sides; keys compare
-- by their bytes, as they do there.

CREATE TABLE gateways (
    gateway        TEXT COLLATE "C" PRIMARY KEY,
    store          TEXT NOT NULL,
    epoch          TEXT COLLATE "C",
    version        TEXT,
    status         TEXT,
    status_ms      BIGINT,
    about          TEXT,
    about_ms       BIGINT,
    first_heard_ms BIGINT NOT NULL,
    last_heard_ms  BIGINT NOT NULL
) WITH (fillfactor = 50);                     -- written with every batch: room for the new version on the same page

CREATE TABLE streams (
    gateway      TEXT COLLATE "C" NOT NULL,
    epoch        TEXT COLLATE "C" NOT NULL,
    upto         BIGINT NOT NULL DEFAULT 0,
    last_seq     BIGINT NOT NULL DEFAULT 0,
    announced    BIGINT NOT NULL DEFAULT 0,
    begun_ms     BIGINT NOT NULL,
    redeliveries BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (gateway, epoch)
) WITH (fillfactor = 50);

CREATE TABLE events (
    n           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gateway     TEXT COLLATE "C" NOT NULL,
    epoch       TEXT COLLATE "C" NOT NULL,
    seq         BIGINT NOT NULL,
    id          TEXT COLLATE "C" NOT NULL,
    kind        TEXT COLLATE "C" NOT NULL,
    subject     TEXT COLLATE "C" NOT NULL,
    time        TEXT COLLATE "C" NOT NULL,
    body        TEXT NOT NULL,
    refused     TEXT,
    same_as     BIGINT REFERENCES events (n),
    received_ms BIGINT NOT NULL,
    UNIQUE (gateway, epoch, seq)
);
CREATE INDEX events_by_id   ON events (id);
CREATE INDEX events_refused ON events (gateway, epoch, seq) WHERE refused IS NOT NULL;
CREATE INDEX events_same    ON events (same_as) WHERE same_as IS NOT NULL;

CREATE TABLE lost (
    gateway  TEXT COLLATE "C" NOT NULL,
    epoch    TEXT COLLATE "C" NOT NULL,
    first    BIGINT NOT NULL,
    last     BIGINT NOT NULL,
    noted_ms BIGINT NOT NULL,
    moved    BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX lost_by_place ON lost (gateway, epoch, first);

CREATE TABLE alarms (
    n         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gateway   TEXT COLLATE "C" NOT NULL,
    epoch     TEXT COLLATE "C" NOT NULL,
    seq       BIGINT NOT NULL,
    reason    TEXT NOT NULL,
    body      BYTEA NOT NULL,
    raised_ms BIGINT NOT NULL
);
CREATE INDEX alarms_by_place ON alarms (gateway, epoch, seq) WHERE seq > 0;

CREATE TABLE images (
    gateway     TEXT COLLATE "C" NOT NULL,
    capture     TEXT COLLATE "C" NOT NULL,
    store       TEXT NOT NULL,
    visit       TEXT NOT NULL,
    role        TEXT COLLATE "C" NOT NULL,
    format      TEXT NOT NULL,
    bytes       BIGINT NOT NULL,
    slice_bytes BIGINT NOT NULL,
    slices      BIGINT NOT NULL,
    sha256      TEXT NOT NULL,
    state       TEXT NOT NULL,
    reason      TEXT NOT NULL DEFAULT '',
    attempts    BIGINT NOT NULL DEFAULT 0,
    offered     BIGINT NOT NULL,
    verified_ms BIGINT,
    PRIMARY KEY (gateway, capture, role)
);

CREATE TABLE image_slices (
    gateway TEXT COLLATE "C" NOT NULL,
    capture TEXT COLLATE "C" NOT NULL,
    role    TEXT COLLATE "C" NOT NULL,
    slice   BIGINT NOT NULL,
    body    BYTEA NOT NULL,
    PRIMARY KEY (gateway, capture, role, slice)
);
