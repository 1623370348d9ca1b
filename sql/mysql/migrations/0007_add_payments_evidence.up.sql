-- The evidence about the payment's gateway key. The previous version ignores these columns; in its
-- rows key_sent_clock is NULL.
--
-- A moment from which a duration counts is stored by two clocks: _at is the database's, _clock the
-- worker's, in microseconds since 1970 UTC. key_sent_clock is 0 until the key is sent; key_sent_at is
-- NULL if the key was sent when the payment was created.
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
