-- One row per order: its payment, and its place in the queue.
--
-- Times are microseconds since 1970 UTC, by the clock of the process that writes. Text compares byte by
-- byte.
CREATE TABLE payments (
    order_id            TEXT    NOT NULL PRIMARY KEY,
    amount_minor        INTEGER NOT NULL,
    currency            TEXT    NOT NULL,
    state               TEXT    NOT NULL,
    gateway_key         TEXT    NOT NULL,

    fence               INTEGER NOT NULL,
    replica             TEXT    NOT NULL,
    due_at              INTEGER,

    -- The latest attempt; earlier ones are in attempts. The class is empty until the attempt ends.
    attempt_number      INTEGER NOT NULL,
    attempt_fence       INTEGER NOT NULL,
    attempt_replica     TEXT    NOT NULL,
    attempt_gateway_key TEXT    NOT NULL,
    attempt_started_at  INTEGER,
    attempt_ended_at    INTEGER,
    attempt_class       TEXT    NOT NULL,
    attempt_code        TEXT    NOT NULL,
    attempt_message     TEXT    NOT NULL,

    doubt_answered      INTEGER NOT NULL,
    doubt_unanswered_at INTEGER,
    lookups             INTEGER NOT NULL,
    strikes             INTEGER NOT NULL,
    events              INTEGER NOT NULL,
    async               INTEGER NOT NULL,
    later_retries       INTEGER NOT NULL,

    transaction_id      TEXT    NOT NULL,
    code                TEXT    NOT NULL,
    reason              TEXT    NOT NULL,

    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL
) STRICT;
