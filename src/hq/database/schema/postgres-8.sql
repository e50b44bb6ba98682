-- What SQLite's step 10 makes.

-- digest: SHA-256 of the key, which nobody has but its owner. scopes, stores: words with a blank between; stores: or 'all'.
CREATE TABLE crm_keys (
    digest       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name         TEXT COLLATE "C" NOT NULL,
    scopes       TEXT    NOT NULL,
    stores       TEXT    NOT NULL,
    made_ms      BIGINT NOT NULL,
    used_ms      BIGINT ,                        -- when last, to the minute
    withdrawn_ms BIGINT 
);
CREATE UNIQUE INDEX crm_keys_in_force ON crm_keys (name) WHERE withdrawn_ms IS NULL;

-- Each visit under the number of its last change. Numbers are drawn one after the other by whoever makes facts, so that who has read
-- up to one has all below it. Kept when facts are made again.
CREATE TABLE visit_changes (
    store  TEXT COLLATE "C" NOT NULL,
    visit  TEXT COLLATE "C" NOT NULL,
    change BIGINT NOT NULL,
    PRIMARY KEY (store, visit)
);
CREATE INDEX visit_changes_in_order ON visit_changes (change);
CREATE TABLE last_change (one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1), change BIGINT NOT NULL);

-- Visits that may still lead to a message, and when to look at them next.
CREATE TABLE care_watch (
    store   TEXT COLLATE "C" NOT NULL,
    visit   TEXT COLLATE "C" NOT NULL,
    look_ms BIGINT NOT NULL,
    PRIMARY KEY (store, visit)
);
CREATE INDEX care_watch_due ON care_watch (look_ms);
-- Up to which change of visits the watch is filled. Its row is the lock of whoever offers or takes.
CREATE TABLE care_mark (one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1), change BIGINT NOT NULL);
INSERT INTO care_mark(one, change) VALUES (1, 0);

-- Each offered message, once for ever: a row stays when it is done. state: waiting | taken | done | dead | withdrawn | lapsed.
CREATE TABLE care_messages (
    message    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    store      TEXT COLLATE "C" NOT NULL,
    customer   TEXT COLLATE "C" NOT NULL,
    visit      TEXT COLLATE "C" NOT NULL,
    kind       TEXT    NOT NULL,                 -- care | skin | away
    channels   TEXT    NOT NULL,                 -- that the consent allowed when it was offered last; a blank between
    due_ms     BIGINT NOT NULL,
    offered_ms BIGINT NOT NULL,
    state      TEXT    NOT NULL,
    lease      TEXT    NOT NULL DEFAULT '',      -- whoever took it last says so with this
    until_ms   BIGINT NOT NULL,                 -- waiting: not before; taken: until then
    tries      BIGINT NOT NULL DEFAULT 0,
    reason     TEXT    NOT NULL DEFAULT '',      -- of the last failure
    changed_ms BIGINT NOT NULL
);
CREATE INDEX care_messages_next ON care_messages (state, until_ms);
CREATE INDEX care_messages_of   ON care_messages (store, visit);
