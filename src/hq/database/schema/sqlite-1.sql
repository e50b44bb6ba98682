CREATE TABLE gateways (
    gateway        TEXT PRIMARY KEY,          -- common name of its certificate
    store          TEXT NOT NULL,             -- as first heard; another one later is an alarm
    epoch          TEXT,                      -- of its last hello
    version        TEXT,
    status         TEXT,                      -- online | offline, by the last will
    status_ms      INTEGER,
    about          TEXT,                      -- its own description, JSON
    about_ms       INTEGER,
    first_heard_ms INTEGER NOT NULL,
    last_heard_ms  INTEGER NOT NULL
) STRICT;

CREATE TABLE streams (
    gateway   TEXT NOT NULL,
    epoch     TEXT NOT NULL,
    upto      INTEGER NOT NULL DEFAULT 0,     -- 1..upto are all stored
    last_seq  INTEGER NOT NULL DEFAULT 0,     -- highest stored
    announced INTEGER NOT NULL DEFAULT 0,     -- highest the gateway says it has
    begun_ms  INTEGER NOT NULL,
    PRIMARY KEY (gateway, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    n            INTEGER PRIMARY KEY AUTOINCREMENT,   -- order of arrival
    gateway      TEXT NOT NULL,
    epoch        TEXT NOT NULL,
    seq          INTEGER NOT NULL,
    id           TEXT NOT NULL,               -- empty where a refused row has none
    kind         TEXT NOT NULL,
    subject      TEXT NOT NULL,
    time         TEXT NOT NULL,
    body         TEXT NOT NULL,               -- the event as it came
    refused      TEXT,                        -- why it was refused
    same_as      INTEGER REFERENCES events (n), -- the event was here already under the key of an earlier epoch
    received_ms  INTEGER NOT NULL,
    redeliveries INTEGER NOT NULL DEFAULT 0,
    UNIQUE (gateway, epoch, seq)
) STRICT;
CREATE INDEX events_by_id ON events (id);

-- Sequences that no one holds any longer: the prefix has passed them.
CREATE TABLE lost (
    gateway  TEXT NOT NULL,
    epoch    TEXT NOT NULL,
    first    INTEGER NOT NULL,
    last     INTEGER NOT NULL,
    noted_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE alarms (
    n         INTEGER PRIMARY KEY AUTOINCREMENT,
    gateway   TEXT NOT NULL,
    epoch     TEXT NOT NULL,
    seq       INTEGER NOT NULL,
    reason    TEXT NOT NULL,
    body      BLOB NOT NULL,                  -- what came, so that nothing is lost by an alarm
    raised_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE images (
    gateway     TEXT NOT NULL,
    capture     TEXT NOT NULL,
    store       TEXT NOT NULL,
    visit       TEXT NOT NULL,
    role        TEXT NOT NULL,                -- report | derivative | original
    format      TEXT NOT NULL,
    bytes       INTEGER NOT NULL,
    slice_bytes INTEGER NOT NULL,
    slices      INTEGER NOT NULL,
    sha256      TEXT NOT NULL,
    state       TEXT NOT NULL,                -- wanted | verified | refused
    reason      TEXT NOT NULL DEFAULT '',
    attempts    INTEGER NOT NULL DEFAULT 0,   -- times it was whole but its digest wrong
    offered     INTEGER NOT NULL,             -- running number of its last offer: slices belong to the newest of a capture
    verified_ms INTEGER,
    PRIMARY KEY (gateway, capture, role)
) STRICT, WITHOUT ROWID;

CREATE TABLE image_slices (
    gateway TEXT NOT NULL,
    capture TEXT NOT NULL,
    role    TEXT NOT NULL,
    slice   INTEGER NOT NULL,
    body    BLOB NOT NULL,
    PRIMARY KEY (gateway, capture, role, slice)
) STRICT;
