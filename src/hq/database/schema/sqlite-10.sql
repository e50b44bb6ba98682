-- Schema 10: programs that come in by a key, which visits changed when, and messages of care.

-- digest: SHA-256 of the key, which nobody has but its owner. scopes, stores: words with a blank between; stores: or 'all'.
CREATE TABLE crm_keys (
    digest       TEXT    NOT NULL PRIMARY KEY,
    name         TEXT    NOT NULL,
    scopes       TEXT    NOT NULL,
    stores       TEXT    NOT NULL,
    made_ms      INTEGER NOT NULL,
    used_ms      INTEGER,                        -- when last, to the minute
    withdrawn_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX crm_keys_in_force ON crm_keys (name) WHERE withdrawn_ms IS NULL;

-- Each visit under the number of its last change. Numbers are drawn one after the other by whoever makes facts, so that who has read
-- up to one has all below it. Kept when facts are made again.
CREATE TABLE visit_changes (
    store  TEXT    NOT NULL,
    visit  TEXT    NOT NULL,
    change INTEGER NOT NULL,
    PRIMARY KEY (store, visit)
) STRICT, WITHOUT ROWID;
CREATE INDEX visit_changes_in_order ON visit_changes (change);
CREATE TABLE last_change (one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1), change INTEGER NOT NULL) STRICT;

-- Visits that may still lead to a message, and when to look at them next.
CREATE TABLE care_watch (
    store   TEXT    NOT NULL,
    visit   TEXT    NOT NULL,
    look_ms INTEGER NOT NULL,
    PRIMARY KEY (store, visit)
) STRICT, WITHOUT ROWID;
CREATE INDEX care_watch_due ON care_watch (look_ms);
-- Up to which change of visits the watch is filled. Its row is the lock of whoever offers or takes.
CREATE TABLE care_mark (one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1), change INTEGER NOT NULL) STRICT;
INSERT INTO care_mark(one, change) VALUES (1, 0);

-- Each offered message, once for ever: a row stays when it is done. state: waiting | taken | done | dead | withdrawn | lapsed.
CREATE TABLE care_messages (
    message    TEXT    NOT NULL PRIMARY KEY,
    store      TEXT    NOT NULL,
    customer   TEXT    NOT NULL,
    visit      TEXT    NOT NULL,
    kind       TEXT    NOT NULL,                 -- care | skin | away
    channels   TEXT    NOT NULL,                 -- that the consent allowed when it was offered last; a blank between
    due_ms     INTEGER NOT NULL,
    offered_ms INTEGER NOT NULL,
    state      TEXT    NOT NULL,
    lease      TEXT    NOT NULL DEFAULT '',      -- whoever took it last says so with this
    until_ms   INTEGER NOT NULL,                 -- waiting: not before; taken: until then
    tries      INTEGER NOT NULL DEFAULT 0,
    reason     TEXT    NOT NULL DEFAULT '',      -- of the last failure
    changed_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX care_messages_next ON care_messages (state, until_ms);
CREATE INDEX care_messages_of   ON care_messages (store, visit);
