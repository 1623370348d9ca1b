-- The evidence about a gateway key of an operation, as gateway_keys has it for payments.
CREATE TABLE operation_keys (
    order_id               TEXT    NOT NULL,
    operation_kind         TEXT    NOT NULL,
    operation_name         TEXT    NOT NULL,
    gateway_key            TEXT    NOT NULL,
    gateway                TEXT    NOT NULL,
    gateway_reference      TEXT    NOT NULL,
    redirect_url           TEXT    NOT NULL,
    sent_at                INTEGER,
    sent_clock             INTEGER,
    lifetime_micros        INTEGER NOT NULL,

    doubt_answered         INTEGER NOT NULL,
    doubt_named            INTEGER NOT NULL,
    doubt_unanswered_at    INTEGER,
    doubt_unanswered_clock INTEGER,
    doubt_latest_at        INTEGER,
    doubt_latest_clock     INTEGER,

    refused_class          TEXT    NOT NULL,
    refused_code           TEXT    NOT NULL,
    refused_message        TEXT    NOT NULL,

    look_at                INTEGER,
    look_clock             INTEGER,
    attempts               INTEGER NOT NULL,
    lookups                INTEGER NOT NULL,
    due_at                 INTEGER,

    closed                 TEXT    NOT NULL,
    closed_at              INTEGER,
    watch_until            INTEGER,
    transaction_id         TEXT    NOT NULL,

    PRIMARY KEY (order_id, operation_kind, operation_name, gateway_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX operation_keys_due ON operation_keys (due_at) WHERE due_at IS NOT NULL;
