-- The console finds an order by a gateway key that has a record. A payment that succeeds at once has none.
ALTER TABLE gateway_keys
    ADD KEY gateway_keys_key (gateway_key);
