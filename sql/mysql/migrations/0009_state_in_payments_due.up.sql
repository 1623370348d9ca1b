-- Due work is found by its kind, which is its state, from this index alone: a long queue of one
-- kind then costs the others no look at its rows. The order by due_at serves the version before.
ALTER TABLE payments
    DROP KEY payments_due,
    ADD KEY payments_due (due_at, state, created_at);
