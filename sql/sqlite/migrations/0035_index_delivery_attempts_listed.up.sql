-- The attempts of an endpoint, in the order of time.
CREATE INDEX delivery_attempts_listed ON delivery_attempts (endpoint_id, ended_at, order_id, seq);
