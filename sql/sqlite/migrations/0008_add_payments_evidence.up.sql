-- The evidence about the payment's gateway key. The previous version ignores these columns; in its
-- rows key_sent_clock is NULL.
--
-- A moment from which a duration counts is stored by two clocks: _at is the database's, _clock the
-- worker's. key_sent_clock is 0 until the key is sent.
ALTER TABLE payments ADD COLUMN gateway TEXT NOT NULL DEFAULT '';
ALTER TABLE payments ADD COLUMN key_sent_at INTEGER;
ALTER TABLE payments ADD COLUMN key_sent_clock INTEGER;
ALTER TABLE payments ADD COLUMN key_lifetime_micros INTEGER NOT NULL DEFAULT 0;
ALTER TABLE payments ADD COLUMN retries INTEGER NOT NULL DEFAULT 0;
ALTER TABLE payments ADD COLUMN doubt_named INTEGER NOT NULL DEFAULT 0;
ALTER TABLE payments ADD COLUMN doubt_unanswered_clock INTEGER;
ALTER TABLE payments ADD COLUMN doubt_latest_at INTEGER;
ALTER TABLE payments ADD COLUMN doubt_latest_clock INTEGER;
