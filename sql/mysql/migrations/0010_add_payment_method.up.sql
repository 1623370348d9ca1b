-- What is sent with the payment's gateway key beside the order and the amount. The previous version ignores
-- these columns.
ALTER TABLE payments
    ADD COLUMN payment_method VARBINARY(255)  NOT NULL DEFAULT '',
    ADD COLUMN return_url     VARBINARY(2048) NOT NULL DEFAULT '';
