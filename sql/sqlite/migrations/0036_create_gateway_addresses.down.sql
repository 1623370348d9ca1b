DROP TABLE gateway_addresses;
