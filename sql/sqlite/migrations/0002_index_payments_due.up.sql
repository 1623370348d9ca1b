-- The queue. Partial, for most payments are settled and never due again.
CREATE INDEX payments_due ON payments (due_at) WHERE due_at IS NOT NULL;
