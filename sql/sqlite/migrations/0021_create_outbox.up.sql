-- The events for the webhook endpoints: a row for each event and endpoint, inserted in the transaction that changes
-- the state of the payment. seq grows within an order. Without endpoints, the table is empty.
--
-- due_at is NULL once the event was delivered or given up. leased: an attempt is in flight, and due_at is the end of
-- its lease. holds: the later
-- events of the order wait for this one.
CREATE TABLE outbox (
    order_id      TEXT    NOT NULL,
    endpoint_id   TEXT    NOT NULL,
    seq           INTEGER NOT NULL,
    event_id      TEXT    NOT NULL,
    event_type    TEXT    NOT NULL,
    payload       BLOB    NOT NULL,
    outcome       TEXT    NOT NULL,
    fence         INTEGER NOT NULL,
    attempts      INTEGER NOT NULL,
    leased        INTEGER NOT NULL,
    holds         INTEGER NOT NULL,
    due_at        INTEGER,
    created_at    INTEGER NOT NULL,
    attempted_at  INTEGER,
    answer_status INTEGER NOT NULL,
    answer_body   TEXT    NOT NULL,
    problem       TEXT    NOT NULL,

    PRIMARY KEY (order_id, endpoint_id, seq)
) STRICT;
