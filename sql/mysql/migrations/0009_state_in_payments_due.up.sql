-- Due work is found by its state from this index alone, so that a long queue in one state does not slow
-- down the others. due_at stays first for the previous version.
ALTER TABLE payments
    DROP KEY payments_due,
    ADD KEY payments_due (due_at, state, created_at);
