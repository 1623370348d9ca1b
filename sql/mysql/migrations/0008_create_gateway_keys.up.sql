-- The evidence about a gateway key, for keys that need more than the payment's own row: a lookup that
-- found nothing, a refusal after an unknown attempt, why the key is closed, and when it is looked up
-- again. Rows are kept across rounds; a payment that succeeds at once has none.
CREATE TABLE gateway_keys (
    order_id               VARBINARY(128) NOT NULL,
    gateway_key            VARCHAR(64)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    gateway                VARBINARY(255) NOT NULL,
    sent_at                DATETIME(6)    NULL,
    sent_clock             BIGINT         NULL,
    lifetime_micros        BIGINT         NOT NULL,

    doubt_answered         BOOLEAN        NOT NULL,
    doubt_named            BOOLEAN        NOT NULL,
    doubt_unanswered_at    DATETIME(6)    NULL,
    doubt_unanswered_clock BIGINT         NULL,
    doubt_latest_at        DATETIME(6)    NULL,
    doubt_latest_clock     BIGINT         NULL,

    refused_class          VARCHAR(32)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    refused_code           VARCHAR(64)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    refused_message        VARCHAR(500)   NOT NULL,

    -- The first lookup that counted and found nothing, and the payment's attempts at that time.
    look_at                DATETIME(6)    NULL,
    look_clock             BIGINT         NULL,
    attempts               INT            NOT NULL,
    lookups                INT            NOT NULL,
    due_at                 DATETIME(6)    NULL,

    closed                 VARCHAR(16)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    closed_at              DATETIME(6)    NULL,
    watch_until            DATETIME(6)    NULL,
    transaction_id         VARBINARY(255) NOT NULL,

    PRIMARY KEY (order_id, gateway_key),
    KEY gateway_keys_due (due_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
