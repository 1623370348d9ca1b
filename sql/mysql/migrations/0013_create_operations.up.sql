-- One row per operation of a payment other than its charge, such as a refund: the claim, the place in the queue
-- and the evidence, in the columns of payments. A change of it locks the row of the payment first.
--
-- charge_key, charge_gateway and charge_transaction_id name the charge that the operation is about, as they
-- were when it began. The previous version does not read this table.
CREATE TABLE operations (
    order_id               VARBINARY(128) NOT NULL,
    operation_kind         VARCHAR(16)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    operation_name         VARBINARY(128) NOT NULL,
    amount_minor           BIGINT         NOT NULL,
    currency               CHAR(3)        CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    state                  VARCHAR(16)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    gateway_key            VARCHAR(64)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    gateway                VARBINARY(255) NOT NULL,
    charge_key             VARCHAR(64)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    charge_gateway         VARBINARY(255) NOT NULL,
    charge_transaction_id  VARBINARY(255) NOT NULL,
    note                   VARCHAR(500)   NOT NULL,

    fence                  BIGINT         NOT NULL,
    claim_token            BIGINT         NOT NULL,
    replica                VARCHAR(255)   NOT NULL,
    due_at                 DATETIME(6)    NULL,

    attempt_number         INT            NOT NULL,
    attempt_fence          BIGINT         NOT NULL,
    attempt_replica        VARCHAR(255)   NOT NULL,
    attempt_gateway_key    VARCHAR(64)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    attempt_started_at     DATETIME(6)    NULL,
    attempt_ended_at       DATETIME(6)    NULL,
    attempt_class          VARCHAR(32)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    attempt_code           VARCHAR(64)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    attempt_message        VARCHAR(500)   NOT NULL,

    key_sent_at            DATETIME(6)    NULL,
    key_sent_clock         BIGINT         NULL,
    key_lifetime_micros    BIGINT         NOT NULL,
    doubt_answered         BOOLEAN        NOT NULL,
    doubt_named            BOOLEAN        NOT NULL,
    doubt_unanswered_at    DATETIME(6)    NULL,
    doubt_unanswered_clock BIGINT         NULL,
    doubt_latest_at        DATETIME(6)    NULL,
    doubt_latest_clock     BIGINT         NULL,
    retries                INT            NOT NULL,
    lookups                INT            NOT NULL,
    lost_workers           INT            NOT NULL,
    events                 INT            NOT NULL,
    async                  BOOLEAN        NOT NULL,
    deferred_retries       INT            NOT NULL,

    transaction_id         VARBINARY(255) NOT NULL,
    code                   VARCHAR(64)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    reason                 VARCHAR(500)   NOT NULL,

    created_at             DATETIME(6)    NOT NULL,
    updated_at             DATETIME(6)    NOT NULL,

    PRIMARY KEY (order_id, operation_kind, operation_name),
    KEY operations_due (due_at, state, created_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
