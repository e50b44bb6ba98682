-- Schema 3: an event's row is written once; how often its stream came again is counted with the stream.

ALTER TABLE streams ADD COLUMN redeliveries INTEGER NOT NULL DEFAULT 0;
UPDATE streams SET redeliveries = (
    SELECT coalesce(sum(e.redeliveries), 0) FROM events e
    WHERE e.gateway = streams.gateway AND e.epoch = streams.epoch);
ALTER TABLE events DROP COLUMN redeliveries;
