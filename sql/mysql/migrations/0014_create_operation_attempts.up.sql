-- The attempts of an operation before its latest. Rows are inserted and never updated.
CREATE TABLE operation_attempts (
    order_id       VARBINARY(128) NOT NULL,
    operation_kind VARCHAR(16)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    operation_name VARBINARY(128) NOT NULL,
    number         INT            NOT NULL,
    fence          BIGINT         NOT NULL,
    replica        VARCHAR(255)   NOT NULL,
    gateway_key    VARCHAR(64)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    started_at     DATETIME(6)    NOT NULL,
    ended_at       DATETIME(6)    NULL,
    class          VARCHAR(32)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    code           VARCHAR(64)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    message        VARCHAR(500)   NOT NULL,

    PRIMARY KEY (order_id, operation_kind, operation_name, number)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
