-- The evidence about a gateway key, for keys that need more than the payment's own row: a lookup that
-- found nothing, a refusal after an unknown attempt, why the key is closed, and when it is looked up
-- again. Rows are kept across rounds; a payment that succeeds at once has none.
CREATE TABLE gateway_keys (
    order_id               TEXT    NOT NULL,
    gateway_key            TEXT    NOT NULL,
    gateway                TEXT    NOT NULL,
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

    -- The first lookup that counted and found nothing, and the payment's attempts at that time.
    look_at                INTEGER,
    look_clock             INTEGER,
    attempts               INTEGER NOT NULL,
    lookups                INTEGER NOT NULL,
    due_at                 INTEGER,

    closed                 TEXT    NOT NULL,
    closed_at              INTEGER,
    watch_until            INTEGER,
    transaction_id         TEXT    NOT NULL,

    PRIMARY KEY (order_id, gateway_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX gateway_keys_due ON gateway_keys (due_at) WHERE due_at IS NOT NULL;
