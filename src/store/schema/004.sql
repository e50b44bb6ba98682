-- Schema 4: what the end of an epoch moved into the next, and a clock for retention that no jump of the wall clock carries along.

CREATE TABLE moved (
    epoch INTEGER NOT NULL REFERENCES epochs (n), -- from which
    first INTEGER NOT NULL,
    last  INTEGER NOT NULL,
    PRIMARY KEY (epoch, first)
) STRICT, WITHOUT ROWID;

-- How far the retention clock has come, and where the machine's own clock stood then.
CREATE TABLE retention_clock (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    reached_ms INTEGER NOT NULL,
    boot       BLOB    NOT NULL CHECK (length(boot) = 16),
    ns         INTEGER NOT NULL
) STRICT;
