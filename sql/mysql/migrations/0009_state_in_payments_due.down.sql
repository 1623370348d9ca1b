ALTER TABLE payments
    DROP KEY payments_due,
    ADD KEY payments_due (due_at, created_at);
