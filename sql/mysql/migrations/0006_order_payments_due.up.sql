-- Final payments store NULL in due_at, and the index contains NULLs as well. In the order of order_id,
-- as before, each settlement changes a page of its own in a large table. In the order of created_at,
-- final payments share pages.
ALTER TABLE payments
    DROP KEY payments_due,
    ADD KEY payments_due (due_at, created_at);
