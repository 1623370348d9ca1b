-- The events that are due, by endpoint.
CREATE INDEX outbox_due ON outbox (endpoint_id, due_at) WHERE due_at IS NOT NULL;
