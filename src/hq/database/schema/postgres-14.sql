-- Schema 14: birthdays of customers as the CRM tells them, for messages of care; never the year.

CREATE TABLE birthdays (
    store      TEXT COLLATE "C" NOT NULL,
    customer   TEXT COLLATE "C" NOT NULL,     -- the id under which the CRM told it; cards that are joined are followed
    month_day  BIGINT NOT NULL,               -- month * 100 + day: 517 is 17 May
    changed_ms BIGINT NOT NULL,
    look_ms    BIGINT NOT NULL,               -- not to be looked at before, when its day has come
    PRIMARY KEY (store, customer)
);
CREATE INDEX birthdays_near ON birthdays (month_day, look_ms);

-- Messages of somebody, of whatever visit.
CREATE INDEX care_messages_whose ON care_messages (store, customer);

-- The last change of each store's orders.
CREATE INDEX orders_changed ON orders (store, changed_ms);

-- Whether a look at a visit stands in the audit already; other rows may name more than an index takes.
CREATE INDEX people_audit_looks ON people_audit (about, who, at_ms) WHERE what = 'visit seen';
