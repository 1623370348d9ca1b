-- Events of a payment that its row and its attempts do not show. Rows are inserted and never updated; a
-- payment that succeeds at once has none.
CREATE TABLE events (
    order_id TEXT    NOT NULL,
    number   INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    at       INTEGER NOT NULL,
    replica  TEXT    NOT NULL,
    fence    INTEGER NOT NULL,
    detail   TEXT    NOT NULL,

    PRIMARY KEY (order_id, number)
) STRICT, WITHOUT ROWID;
