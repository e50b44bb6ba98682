-- What SQLite's step 6 makes.

-- What customers said on the pages of reports, until the store's own event about it has come up.
CREATE TABLE feedback_inbox (
    feedback TEXT COLLATE "C" PRIMARY KEY,
    store    TEXT   NOT NULL,
    gateway  TEXT COLLATE "C" NOT NULL,
    report   TEXT COLLATE "C" NOT NULL,
    visit    TEXT   NOT NULL,
    customer TEXT   NOT NULL,
    topic    TEXT   NOT NULL,
    stars    BIGINT,
    words    TEXT   NOT NULL,
    given_ms BIGINT NOT NULL,
    due_ms   BIGINT NOT NULL,                 -- when it is said to the store next
    tries    BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX feedback_inbox_due ON feedback_inbox (due_ms);
CREATE INDEX feedback_inbox_of ON feedback_inbox (report);

-- Where each report was closed last. Kept beside the facts: while those are made again from the beginning, what was closed
-- must not open for a moment.
CREATE TABLE report_closings (
    report TEXT COLLATE "C" PRIMARY KEY,
    era    BIGINT NOT NULL,
    seq    BIGINT NOT NULL
);
