-- The events for the webhook endpoints: a row for each event and endpoint, inserted in the transaction that changes
-- the state of the payment. seq grows within an order. Without endpoints, the table is empty.
--
-- due_at is NULL once the event was delivered or given up. leased: an attempt is in flight, and due_at is the end of
-- its lease. holds: the later
-- events of the order wait for this one. Each index ends in seq, so that rows with the same or without a due time share pages.
CREATE TABLE outbox (
    order_id      VARBINARY(128) NOT NULL,
    endpoint_id   VARCHAR(32)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    seq           BIGINT       NOT NULL,
    event_id      VARCHAR(64)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    event_type    VARCHAR(64)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    payload       BLOB         NOT NULL,
    outcome       VARCHAR(16)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    fence         BIGINT       NOT NULL,
    attempts      INT          NOT NULL,
    leased        BOOLEAN      NOT NULL,
    holds         BOOLEAN      NOT NULL,
    due_at        DATETIME(6)  NULL,
    created_at    DATETIME(6)  NOT NULL,
    attempted_at  DATETIME(6)  NULL,
    answer_status INT          NOT NULL,
    answer_body   VARCHAR(256) NOT NULL,
    problem       VARCHAR(256) NOT NULL,

    PRIMARY KEY (order_id, endpoint_id, seq),
    KEY outbox_due (endpoint_id, due_at, seq),
    KEY outbox_listed (endpoint_id, seq)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
