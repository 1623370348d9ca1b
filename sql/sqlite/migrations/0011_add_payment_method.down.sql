ALTER TABLE payments DROP COLUMN payment_method;
ALTER TABLE payments DROP COLUMN return_url;
ALTER TABLE gateway_keys DROP COLUMN payment_method;
ALTER TABLE gateway_keys DROP COLUMN return_url;
ALTER TABLE gateway_keys DROP COLUMN gateway_reference;
ALTER TABLE gateway_keys DROP COLUMN redirect_url;
