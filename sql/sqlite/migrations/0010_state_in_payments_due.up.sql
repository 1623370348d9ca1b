-- Due work is found by its kind, which is its state: a long queue of one kind costs the others
-- nothing.
DROP INDEX payments_due;
CREATE INDEX payments_due ON payments (state, due_at) WHERE due_at IS NOT NULL;
