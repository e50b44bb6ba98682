-- Schema 13: the customer's screen beside a station.

-- One screen a station. digest: of the token that its browser keeps. lang: the language it speaks.
CREATE TABLE mirrors (
    station   TEXT PRIMARY KEY,
    digest    BLOB NOT NULL CHECK (length(digest) = 32),
    lang      TEXT NOT NULL,
    paired_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
