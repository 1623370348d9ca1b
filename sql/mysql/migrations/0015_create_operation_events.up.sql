-- Events of an operation that its row and its attempts do not show. Rows are inserted and never updated.
CREATE TABLE operation_events (
    order_id       VARBINARY(128) NOT NULL,
    operation_kind VARCHAR(16)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    operation_name VARBINARY(128) NOT NULL,
    number         INT            NOT NULL,
    kind           VARCHAR(32)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    at             DATETIME(6)    NOT NULL,
    replica        VARCHAR(255)   NOT NULL,
    fence          BIGINT         NOT NULL,
    detail         VARCHAR(500)   NOT NULL,

    PRIMARY KEY (order_id, operation_kind, operation_name, number)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
