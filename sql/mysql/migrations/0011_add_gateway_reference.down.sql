ALTER TABLE gateway_keys
    DROP COLUMN payment_method,
    DROP COLUMN return_url,
    DROP COLUMN gateway_reference,
    DROP COLUMN redirect_url;
