-- The queue. The index is partial, because most payments are final and never due again.
CREATE INDEX payments_due ON payments (due_at) WHERE due_at IS NOT NULL;
