-- The attempts of an operation before its latest. Rows are inserted and never updated.
CREATE TABLE operation_attempts (
    order_id       TEXT    NOT NULL,
    operation_kind TEXT    NOT NULL,
    operation_name TEXT    NOT NULL,
    number         INTEGER NOT NULL,
    fence          INTEGER NOT NULL,
    replica        TEXT    NOT NULL,
    gateway_key    TEXT    NOT NULL,
    started_at     INTEGER NOT NULL,
    ended_at       INTEGER,
    class          TEXT    NOT NULL,
    code           TEXT    NOT NULL,
    message        TEXT    NOT NULL,

    PRIMARY KEY (order_id, operation_kind, operation_name, number)
) STRICT, WITHOUT ROWID;
