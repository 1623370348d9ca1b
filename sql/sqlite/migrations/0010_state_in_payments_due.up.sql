-- Due work is found by its state, so that a long queue in one state does not slow down the others.
DROP INDEX payments_due;
CREATE INDEX payments_due ON payments (state, due_at) WHERE due_at IS NOT NULL;
