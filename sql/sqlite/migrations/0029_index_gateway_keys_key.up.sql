-- The console finds an order by a gateway key that has a record. A payment that succeeds at once has none.
CREATE INDEX gateway_keys_key ON gateway_keys (gateway_key);
