-- What happened to a payment and neither it nor its attempts tell. Rows are added and never
-- changed; the happy path adds none.
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
