-- One row per operation of a payment other than its charge, such as a refund: the claim, the place in the queue
-- and the evidence, in the columns of payments.
--
-- charge_key, charge_gateway and charge_transaction_id name the charge that the operation is about, as they
-- were when it began. The previous version does not read this table.
CREATE TABLE operations (
    order_id               TEXT    NOT NULL,
    operation_kind         TEXT    NOT NULL,
    operation_name         TEXT    NOT NULL,
    amount_minor           INTEGER NOT NULL,
    currency               TEXT    NOT NULL,
    state                  TEXT    NOT NULL,
    gateway_key            TEXT    NOT NULL,
    gateway                TEXT    NOT NULL,
    charge_key             TEXT    NOT NULL,
    charge_gateway         TEXT    NOT NULL,
    charge_transaction_id  TEXT    NOT NULL,
    note                   TEXT    NOT NULL,

    fence                  INTEGER NOT NULL,
    replica                TEXT    NOT NULL,
    due_at                 INTEGER,

    attempt_number         INTEGER NOT NULL,
    attempt_fence          INTEGER NOT NULL,
    attempt_replica        TEXT    NOT NULL,
    attempt_gateway_key    TEXT    NOT NULL,
    attempt_started_at     INTEGER,
    attempt_ended_at       INTEGER,
    attempt_class          TEXT    NOT NULL,
    attempt_code           TEXT    NOT NULL,
    attempt_message        TEXT    NOT NULL,

    key_sent_at            INTEGER,
    key_sent_clock         INTEGER,
    key_lifetime_micros    INTEGER NOT NULL,
    doubt_answered         INTEGER NOT NULL,
    doubt_named            INTEGER NOT NULL,
    doubt_unanswered_at    INTEGER,
    doubt_unanswered_clock INTEGER,
    doubt_latest_at        INTEGER,
    doubt_latest_clock     INTEGER,
    retries                INTEGER NOT NULL,
    lookups                INTEGER NOT NULL,
    lost_workers           INTEGER NOT NULL,
    events                 INTEGER NOT NULL,
    async                  INTEGER NOT NULL,
    deferred_retries       INTEGER NOT NULL,

    transaction_id         TEXT    NOT NULL,
    code                   TEXT    NOT NULL,
    reason                 TEXT    NOT NULL,

    created_at             INTEGER NOT NULL,
    updated_at             INTEGER NOT NULL,

    PRIMARY KEY (order_id, operation_kind, operation_name)
) STRICT;
CREATE INDEX operations_due ON operations (state, due_at) WHERE due_at IS NOT NULL;
