-- Until when an object without a row is kept, since one may be about to name it; -1: somebody has begun to remove it, and nothing may
-- name it any more.
ALTER TABLE removals ADD COLUMN keep_until_ms BIGINT NOT NULL DEFAULT 0;

-- Facts that are being made again, and how far they went before: what is shown of them must not be shown until they are there again.
CREATE TABLE remaking (
    gateway TEXT COLLATE "C" NOT NULL,
    epoch   TEXT COLLATE "C" NOT NULL,
    upto    BIGINT NOT NULL,
    PRIMARY KEY (gateway, epoch)
);
