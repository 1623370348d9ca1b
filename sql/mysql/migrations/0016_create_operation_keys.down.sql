DROP TABLE operation_keys;
