-- Schema 5: what tells a value that a device sent again from an equal one it measured anew, whatever the wall clock did.

-- Which value of its measurement it is, from 0; NULL where it was recorded before this was written down.
ALTER TABLE repeats ADD COLUMN nth INTEGER;

-- boot, ns: when it was recorded, by the machine's own clock. run: the place in the outbox of the first event of its commit;
-- what the device measured later has a higher one.
CREATE TABLE measured_anew (
    device  INTEGER NOT NULL REFERENCES devices (n),
    slot    INTEGER NOT NULL,
    counter INTEGER NOT NULL,
    digest  BLOB    NOT NULL CHECK (length(digest) = 32),
    boot    BLOB    NOT NULL CHECK (length(boot) = 16),
    ns      INTEGER NOT NULL,
    run     INTEGER NOT NULL,
    PRIMARY KEY (device, slot)
) STRICT, WITHOUT ROWID;
-- Of what is remembered from before, the latest of each device may still be sent again.
INSERT INTO measured_anew (device, slot, counter, digest, boot, ns, run)
    SELECT device, slot, counter, digest, zeroblob(16), 0, ms = max(ms) OVER (PARTITION BY device) FROM measured;
DROP TABLE measured;
ALTER TABLE measured_anew RENAME TO measured;
