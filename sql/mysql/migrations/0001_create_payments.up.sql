-- One row per order: its payment, the lock of its claim, and its place in the queue.
--
-- The primary key is the order id itself, not a number: the row's lock is then the only one that a
-- claim takes (no entry of a secondary index is locked on the way to the row), and a payment that
-- succeeds at once touches the fewest pages.
--
-- Times are UTC by the database's clock, NOW(6), because every connection sets its time zone. External
-- ids are bytes, so that no collation makes two of them equal; our own names are ASCII; text is UTF-8.
CREATE TABLE payments (
    order_id            VARBINARY(128) NOT NULL,
    amount_minor        BIGINT         NOT NULL,
    currency            CHAR(3)        CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    state               VARCHAR(16)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    gateway_key         VARCHAR(64)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,

    -- The claim. claim_token is a random number that is stored with a new fencing token: a worker that
    -- lost the answer to its COMMIT finds out by it whether the claim is its own.
    fence               BIGINT         NOT NULL,
    claim_token         BIGINT         NOT NULL,
    replica             VARCHAR(255)   NOT NULL,
    due_at              DATETIME(6)    NULL,

    -- The latest attempt; earlier ones are in attempts. The class is empty until the attempt ends.
    attempt_number      INT            NOT NULL,
    attempt_fence       BIGINT         NOT NULL,
    attempt_replica     VARCHAR(255)   NOT NULL,
    attempt_gateway_key VARCHAR(64)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    attempt_started_at  DATETIME(6)    NULL,
    attempt_ended_at    DATETIME(6)    NULL,
    attempt_class       VARCHAR(32)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    attempt_code        VARCHAR(64)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    attempt_message     VARCHAR(500)   NOT NULL,

    doubt_answered      BOOLEAN        NOT NULL,
    doubt_unanswered_at DATETIME(6)    NULL,
    lookups             INT            NOT NULL,
    strikes             INT            NOT NULL,
    events              INT            NOT NULL,
    async               BOOLEAN        NOT NULL,
    later_retries       INT            NOT NULL,

    transaction_id      VARBINARY(255) NOT NULL,
    code                VARCHAR(64)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    reason              VARCHAR(500)   NOT NULL,

    created_at          DATETIME(6)    NOT NULL,
    updated_at          DATETIME(6)    NOT NULL,

    PRIMARY KEY (order_id),
    KEY payments_due (due_at),
    KEY payments_created (created_at, order_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
