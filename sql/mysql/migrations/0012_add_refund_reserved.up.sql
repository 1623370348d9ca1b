-- What refunds of the payment have taken, or may still take, in minor units. Only a change of a refund writes it,
-- so that the statements of a payment do not name it. The previous version ignores it.
ALTER TABLE payments
    ADD COLUMN refund_reserved_minor BIGINT NOT NULL DEFAULT 0;
