-- What is sent with a gateway key beside the order and the amount, the gateway's own id of its charge, and
-- where the customer must act. The previous version ignores these columns.
ALTER TABLE payments ADD COLUMN payment_method TEXT NOT NULL DEFAULT '';
ALTER TABLE payments ADD COLUMN return_url TEXT NOT NULL DEFAULT '';
ALTER TABLE gateway_keys ADD COLUMN payment_method TEXT NOT NULL DEFAULT '';
ALTER TABLE gateway_keys ADD COLUMN return_url TEXT NOT NULL DEFAULT '';
ALTER TABLE gateway_keys ADD COLUMN gateway_reference TEXT NOT NULL DEFAULT '';
ALTER TABLE gateway_keys ADD COLUMN redirect_url TEXT NOT NULL DEFAULT '';
