ALTER TABLE payments DROP COLUMN capture;
ALTER TABLE payments DROP COLUMN captured_minor;
ALTER TABLE payments DROP COLUMN hold_claimed_by;
ALTER TABLE payments DROP COLUMN hold_expires_at;
ALTER TABLE payments DROP COLUMN operation_count;
