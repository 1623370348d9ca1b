ALTER TABLE payments
    DROP COLUMN payment_method,
    DROP COLUMN return_url;
