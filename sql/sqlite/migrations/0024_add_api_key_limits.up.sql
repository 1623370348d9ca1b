-- When a key expires, what it is limited to, and who changed it. The previous version ignores these columns; the
-- scopes of a key that expires or is limited begin with ~, so that it allows such a key nothing. order_prefixes and
-- gateways have a line for each.
ALTER TABLE api_keys ADD COLUMN expires_at INTEGER;
ALTER TABLE api_keys ADD COLUMN order_prefixes TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN gateways TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN revoked_by TEXT NOT NULL DEFAULT '';
