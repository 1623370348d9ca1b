-- A log of the attempts to deliver the events of the outbox: the latest attempts of each event, of which slot counts
-- the places. A row is written after its attempt and deleted with its event. Without endpoints, the table is empty; the
-- previous version neither reads nor writes it.
CREATE TABLE delivery_attempts (
    order_id        VARBINARY(128) NOT NULL,
    endpoint_id     VARCHAR(32)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    seq             BIGINT       NOT NULL,
    slot            INT          NOT NULL,
    fence           BIGINT       NOT NULL,
    event_type      VARCHAR(64)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    ended_at        DATETIME(6)  NOT NULL,
    duration_micros BIGINT       NOT NULL,
    answer_status   INT          NOT NULL,
    answer_body     VARCHAR(256) NOT NULL,
    problem         VARCHAR(256) NOT NULL,

    PRIMARY KEY (order_id, endpoint_id, seq, slot),
    KEY delivery_attempts_listed (endpoint_id, ended_at, order_id, seq)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
