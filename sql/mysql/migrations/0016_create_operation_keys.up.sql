-- The evidence about a gateway key of an operation, as gateway_keys has it for payments.
CREATE TABLE operation_keys (
    order_id               VARBINARY(128) NOT NULL,
    operation_kind         VARCHAR(16)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    operation_name         VARBINARY(128) NOT NULL,
    gateway_key            VARCHAR(64)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    gateway                VARBINARY(255) NOT NULL,
    gateway_reference      VARBINARY(255) NOT NULL,
    redirect_url           VARBINARY(2048) NOT NULL,
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

    look_at                DATETIME(6)    NULL,
    look_clock             BIGINT         NULL,
    attempts               INT            NOT NULL,
    lookups                INT            NOT NULL,
    due_at                 DATETIME(6)    NULL,

    closed                 VARCHAR(16)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    closed_at              DATETIME(6)    NULL,
    watch_until            DATETIME(6)    NULL,
    transaction_id         VARBINARY(255) NOT NULL,

    PRIMARY KEY (order_id, operation_kind, operation_name, gateway_key),
    KEY operation_keys_due (due_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
