-- What refunds of the payment have given back, or may still give back, in minor units. Only a change of a refund
-- updates it. The previous version ignores it.
ALTER TABLE payments ADD COLUMN refund_reserved_minor INTEGER NOT NULL DEFAULT 0;
