-- A log of the attempts to deliver the events of the outbox: the latest attempts of each event, of which slot counts
-- the places. A row is written after its attempt and deleted with its event. Without endpoints, the table is empty; the
-- previous version neither reads nor writes it.
CREATE TABLE delivery_attempts (
    order_id        TEXT    NOT NULL,
    endpoint_id     TEXT    NOT NULL,
    seq             INTEGER NOT NULL,
    slot            INTEGER NOT NULL,
    fence           INTEGER NOT NULL,
    event_type      TEXT    NOT NULL,
    ended_at        INTEGER NOT NULL,
    duration_micros INTEGER NOT NULL,
    answer_status   INTEGER NOT NULL,
    answer_body     TEXT    NOT NULL,
    problem         TEXT    NOT NULL,

    PRIMARY KEY (order_id, endpoint_id, seq, slot)
) STRICT;
