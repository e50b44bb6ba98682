-- Schema 6: reports under the public address.

-- What customers said there, until the store's own event about it has come up; then it is in the records alone.
CREATE TABLE feedback_inbox (
    feedback TEXT    NOT NULL PRIMARY KEY,
    store    TEXT    NOT NULL,
    gateway  TEXT    NOT NULL,
    report   TEXT    NOT NULL,
    visit    TEXT    NOT NULL,
    customer TEXT    NOT NULL,
    topic    TEXT    NOT NULL,
    stars    INTEGER,
    words    TEXT    NOT NULL,
    given_ms INTEGER NOT NULL,
    due_ms   INTEGER NOT NULL,                -- when it is said to the store next
    tries    INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX feedback_inbox_due ON feedback_inbox (due_ms);
CREATE INDEX feedback_inbox_of ON feedback_inbox (report);

-- Where each report was closed last. Kept beside the facts: while those are made again from the beginning, what was closed
-- must not open for a moment.
CREATE TABLE report_closings (
    report TEXT    NOT NULL PRIMARY KEY,
    era    INTEGER NOT NULL,
    seq    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
