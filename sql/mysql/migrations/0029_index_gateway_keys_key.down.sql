ALTER TABLE gateway_keys
    DROP KEY gateway_keys_key;
