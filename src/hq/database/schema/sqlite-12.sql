-- Schema 12: the numbers of changed visits tell one life of this database from another; what nobody agreed to share is told to nobody.

-- A word drawn by lot with every handful of numbers, kept under the last of them: a cursor that names it was given by this database, and
-- not by what went on from the backup that it was brought back from. Fewer than events, whose rows stay as well.
-- 0: numbers of before this schema.
CREATE TABLE change_marks (
    upto INTEGER NOT NULL PRIMARY KEY,
    mark INTEGER NOT NULL
) STRICT;
INSERT INTO change_marks(upto, mark) SELECT change, 0 FROM last_change WHERE change > 0;

-- Whether its customer had ever agreed to share numbers: those of others were never told to programs, so that none is told to erase them.
ALTER TABLE erased_visits ADD COLUMN shared INTEGER NOT NULL DEFAULT 1;

-- Up to which row the chain of the audit was found whole, and that row's hash: from there it is followed on.
ALTER TABLE people_audit_end ADD COLUMN verified_n INTEGER NOT NULL DEFAULT 0;
ALTER TABLE people_audit_end ADD COLUMN verified_hash BLOB;
