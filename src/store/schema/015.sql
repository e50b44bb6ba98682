-- Schema 15: what headquarters rolls out to this gateway.

-- Which packages are wished, held, in use, refused and withdrawn; as JSON, read and written as a whole by their one owner.
CREATE TABLE packages (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    state TEXT NOT NULL
) STRICT;
