DROP INDEX payments_due;
CREATE INDEX payments_due ON payments (due_at) WHERE due_at IS NOT NULL;
