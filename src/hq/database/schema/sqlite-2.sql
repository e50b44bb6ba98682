-- Schema 2: what was told again under a later epoch is not lost; look-ups by place.

ALTER TABLE lost ADD COLUMN moved INTEGER NOT NULL DEFAULT 0;

CREATE INDEX lost_by_place   ON lost (gateway, epoch, first);
CREATE INDEX alarms_by_place ON alarms (gateway, epoch, seq) WHERE seq > 0;
CREATE INDEX events_refused  ON events (gateway, epoch, seq) WHERE refused IS NOT NULL;
CREATE INDEX events_same     ON events (same_as) WHERE same_as IS NOT NULL;
