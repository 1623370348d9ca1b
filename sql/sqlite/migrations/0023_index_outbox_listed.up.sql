-- The events of an endpoint, in the order of time.
CREATE INDEX outbox_listed ON outbox (endpoint_id, seq);
