-- Schema 3: the outbox as one tree in the order of sending, and what HQ has as a prefix, not as a mark in every row.
-- Before, each event cost three more index entries and was written a second time when HQ acknowledged it.

-- The lives of this database; the present one has the highest n.
CREATE TABLE epochs (
    n                 INTEGER PRIMARY KEY,
    epoch             BLOB    NOT NULL UNIQUE CHECK (length(epoch) = 16),
    last_seq          INTEGER NOT NULL,           -- highest drawn
    acknowledged_upto INTEGER NOT NULL,           -- HQ has committed 1 to here
    pruned_upto       INTEGER NOT NULL            -- 1 to here are not kept any more
) STRICT;

-- What HQ has committed beyond the prefix.
CREATE TABLE acknowledged_ranges (
    epoch INTEGER NOT NULL REFERENCES epochs (n),
    first INTEGER NOT NULL,
    last  INTEGER NOT NULL,
    PRIMARY KEY (epoch, first)
) STRICT, WITHOUT ROWID;

-- How far the prefix had come by the end of an hour (of the wall clock, since 1970): how long an event is kept counts from there.
CREATE TABLE acknowledged_by_hour (
    epoch INTEGER NOT NULL REFERENCES epochs (n),
    hour  INTEGER NOT NULL,
    upto  INTEGER NOT NULL,
    PRIMARY KEY (epoch, hour)
) STRICT, WITHOUT ROWID;

INSERT INTO epochs (epoch, last_seq, acknowledged_upto, pruned_upto)
    SELECT o.epoch, max(o.seq), max(o.seq), min(o.seq) - 1
    FROM outbox o WHERE o.epoch <> (SELECT epoch FROM outbox_state) GROUP BY o.epoch ORDER BY o.epoch;
INSERT INTO epochs (n, epoch, last_seq, acknowledged_upto, pruned_upto)
    SELECT coalesce((SELECT max(n) FROM epochs), 0) + 1, s.epoch, s.last_seq,
        coalesce((SELECT min(o.seq) - 1 FROM outbox o WHERE o.epoch = s.epoch AND o.state = 0), s.last_seq),
        s.pruned_upto
    FROM outbox_state s;
INSERT INTO acknowledged_ranges (epoch, first, last)
    SELECT e.n, min(seq), max(seq) FROM (
        SELECT epoch, seq, seq - row_number() OVER (PARTITION BY epoch ORDER BY seq) AS island
        FROM outbox WHERE state <> 0) o
    JOIN epochs e USING (epoch) WHERE o.seq > e.acknowledged_upto GROUP BY e.n, o.island;
INSERT INTO acknowledged_by_hour (epoch, hour, upto)
    SELECT e.n, coalesce(max(o.settled_ms), 0) / 3600000, e.acknowledged_upto
    FROM epochs e LEFT JOIN outbox o ON o.epoch = e.epoch AND o.seq <= e.acknowledged_upto
    WHERE e.acknowledged_upto > 0 GROUP BY e.n;

-- place: the epoch's n times 2^40, plus seq: one tree, written at its end, read in order. refused: why HQ has put it among the
-- dead letters. customer, visit, object: whose it is, for redaction; NULL where it is nobody's.
CREATE TABLE events (
    place      INTEGER PRIMARY KEY,
    kind       TEXT NOT NULL,
    gate       TEXT NOT NULL,
    customer   BLOB,
    visit      BLOB,
    object     BLOB,
    queued_ms  INTEGER NOT NULL,
    refused    TEXT,
    refused_ms INTEGER,
    body       TEXT NOT NULL
) STRICT;
INSERT INTO events (place, kind, gate, customer, visit, object, queued_ms, refused, refused_ms, body)
    SELECT e.n * 1099511627776 + o.seq, o.kind, o.gate, o.customer, o.visit, o.object, o.queued_ms,
        CASE o.state WHEN 2 THEN coalesce(o.reason, '') END, CASE o.state WHEN 2 THEN o.settled_ms END, o.body
    FROM outbox o JOIN epochs e USING (epoch) ORDER BY 1;
DROP TABLE outbox;
DROP TABLE outbox_state;
ALTER TABLE events RENAME TO outbox;
CREATE INDEX outbox_refused  ON outbox (place)    WHERE refused IS NOT NULL;
CREATE INDEX outbox_visit    ON outbox (visit)    WHERE visit IS NOT NULL;
CREATE INDEX outbox_customer ON outbox (customer) WHERE customer IS NOT NULL;
CREATE INDEX outbox_object   ON outbox (object)   WHERE object IS NOT NULL;

-- The last measurements of devices that send again what they got no word for: slot is the counter modulo 64.
CREATE TABLE measured (
    device  INTEGER NOT NULL REFERENCES devices (n),
    slot    INTEGER NOT NULL,
    counter INTEGER NOT NULL,
    digest  BLOB    NOT NULL CHECK (length(digest) = 32),
    ms      INTEGER NOT NULL,
    PRIMARY KEY (device, slot)
) STRICT, WITHOUT ROWID;
