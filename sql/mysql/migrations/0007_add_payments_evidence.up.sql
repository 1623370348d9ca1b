-- What is known of the payment's gateway key. The version before ignores these columns, and its
-- rows are told apart by key_sent_clock, which is then NULL.
--
-- A moment that something is timed from is stored by two clocks: _at is the database's, _clock
-- the worker's, in microseconds since 1970 UTC. key_sent_clock is 0 while the key was not sent;
-- key_sent_at is NULL if the key was sent when the payment was created.
ALTER TABLE payments
    ADD COLUMN gateway                VARBINARY(255) NOT NULL DEFAULT '',
    ADD COLUMN key_sent_at            DATETIME(6)    NULL,
    ADD COLUMN key_sent_clock         BIGINT         NULL,
    ADD COLUMN key_lifetime_micros    BIGINT         NOT NULL DEFAULT 0,
    ADD COLUMN retries                INT            NOT NULL DEFAULT 0,
    ADD COLUMN doubt_named            BOOLEAN        NOT NULL DEFAULT FALSE,
    ADD COLUMN doubt_unanswered_clock BIGINT         NULL,
    ADD COLUMN doubt_latest_at        DATETIME(6)    NULL,
    ADD COLUMN doubt_latest_clock     BIGINT         NULL;
