-- What is sent with a key, the gateway's own id of its charge, and where the customer must act.
ALTER TABLE gateway_keys
    ADD COLUMN payment_method    VARBINARY(255)  NOT NULL DEFAULT '',
    ADD COLUMN return_url        VARBINARY(2048) NOT NULL DEFAULT '',
    ADD COLUMN gateway_reference VARBINARY(255)  NOT NULL DEFAULT '',
    ADD COLUMN redirect_url      VARBINARY(2048) NOT NULL DEFAULT '';
