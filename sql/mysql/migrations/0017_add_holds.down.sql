ALTER TABLE payments
    DROP COLUMN capture,
    DROP COLUMN captured_minor,
    DROP COLUMN hold_claimed_by,
    DROP COLUMN hold_expires_at,
    DROP COLUMN operation_count;
