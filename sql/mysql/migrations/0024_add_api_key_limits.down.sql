ALTER TABLE api_keys
    DROP COLUMN expires_at,
    DROP COLUMN order_prefixes,
    DROP COLUMN gateways,
    DROP COLUMN created_by,
    DROP COLUMN revoked_by;
