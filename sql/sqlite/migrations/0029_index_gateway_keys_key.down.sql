DROP INDEX gateway_keys_key;
