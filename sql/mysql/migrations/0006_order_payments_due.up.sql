-- What has its end leaves NULL in due_at, and an index holds NULLs too: ordered by order_id, as
-- payments_due was, each payment's end changes a page of its own in a large table. Ordered by
-- created_at, they all go to the same few.
ALTER TABLE payments
    DROP KEY payments_due,
    ADD KEY payments_due (due_at, created_at);
