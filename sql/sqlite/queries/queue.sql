-- name: ListDuePayments :many
SELECT sqlc.embed(payments)
FROM payments
WHERE due_at <= sqlc.arg(now)
ORDER BY due_at
LIMIT sqlc.arg(page_limit);

-- name: PutOffPayment :exec
-- PutOffPayment takes a payment that cannot be worked on out of the others' way.
UPDATE payments
SET due_at = sqlc.arg(due_at), reason = sqlc.arg(reason), updated_at = sqlc.arg(updated_at)
WHERE order_id = sqlc.arg(order_id) AND due_at <= sqlc.arg(now);

-- name: NextDue :one
SELECT due_at
FROM payments
WHERE due_at IS NOT NULL
ORDER BY due_at
LIMIT 1;

-- name: Backlog :many
-- Backlog reads no more rows than it is told to, those that have been due for the longest.
SELECT state, currency, CAST(amount_minor > 0 AS INTEGER) AS has_amount, COUNT(*) AS payments,
    CAST(SUM(due_at <= sqlc.arg(now)) AS INTEGER) AS due,
    CAST(MIN(due_at) AS INTEGER) AS first_due_at,
    CAST(MIN(created_at) AS INTEGER) AS first_created_at
FROM (
    SELECT state, currency, amount_minor, due_at, created_at
    FROM payments
    WHERE due_at IS NOT NULL
    ORDER BY due_at
    LIMIT sqlc.arg(max_rows)
) AS unfinished
GROUP BY state, currency, amount_minor > 0;
