-- Events of an operation that its row and its attempts do not show. Rows are inserted and never updated.
CREATE TABLE operation_events (
    order_id       TEXT    NOT NULL,
    operation_kind TEXT    NOT NULL,
    operation_name TEXT    NOT NULL,
    number         INTEGER NOT NULL,
    kind           TEXT    NOT NULL,
    at             INTEGER NOT NULL,
    replica        TEXT    NOT NULL,
    fence          INTEGER NOT NULL,
    detail         TEXT    NOT NULL,

    PRIMARY KEY (order_id, operation_kind, operation_name, number)
) STRICT, WITHOUT ROWID;
