ALTER TABLE payments
    DROP COLUMN refund_reserved_minor;
