-- When a key expires, what it is limited to, and who changed it. The previous version ignores these columns; the
-- scopes of a key that expires or is limited begin with ~, so that it allows such a key nothing. order_prefixes and
-- gateways have a line for each.
ALTER TABLE api_keys
    ADD COLUMN expires_at     DATETIME(6)     NULL,
    ADD COLUMN order_prefixes VARBINARY(1300) NOT NULL DEFAULT '',
    ADD COLUMN gateways       VARBINARY(2600) NOT NULL DEFAULT '',
    ADD COLUMN created_by     VARBINARY(255)  NOT NULL DEFAULT '',
    ADD COLUMN revoked_by     VARBINARY(255)  NOT NULL DEFAULT '';
