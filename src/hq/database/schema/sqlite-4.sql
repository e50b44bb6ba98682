-- Schema 4: how far facts were made of each epoch, and by which version of the records. Their tables are made by the program.

CREATE TABLE projected (
    gateway TEXT NOT NULL,
    epoch   TEXT NOT NULL,
    upto    INTEGER NOT NULL,
    done_ms INTEGER NOT NULL,                 -- when it last had its turn
    PRIMARY KEY (gateway, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE records_version (version INTEGER NOT NULL) STRICT;
