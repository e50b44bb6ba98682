-- What SQLite's step 4 makes.

CREATE TABLE projected (
    gateway TEXT COLLATE "C" NOT NULL,
    epoch   TEXT COLLATE "C" NOT NULL,
    upto    BIGINT NOT NULL,
    done_ms BIGINT NOT NULL,
    PRIMARY KEY (gateway, epoch)
) WITH (fillfactor = 50);

CREATE TABLE records_version (version BIGINT NOT NULL);
