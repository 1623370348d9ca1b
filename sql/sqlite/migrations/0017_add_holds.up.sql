-- Whether the charge takes the money or only holds it, what was captured of a hold, which operation has or may have
-- ended it, when it expires, and how many operations the payment has. The previous version ignores these columns, and
-- cannot read a payment in a state that only holds have.
ALTER TABLE payments ADD COLUMN capture TEXT NOT NULL DEFAULT '';
ALTER TABLE payments ADD COLUMN captured_minor INTEGER NOT NULL DEFAULT 0;
ALTER TABLE payments ADD COLUMN hold_claimed_by TEXT NOT NULL DEFAULT '';
ALTER TABLE payments ADD COLUMN hold_expires_at INTEGER;
ALTER TABLE payments ADD COLUMN operation_count INTEGER NOT NULL DEFAULT 0;
