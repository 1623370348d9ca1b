-- name: LockDuePayments :many
-- LockDuePayments passes over rows that others have locked. The index is forced because a
-- scan of a small table would lock more rows than it returns.
SELECT sqlc.embed(payments), NOW(6) AS now
FROM payments FORCE INDEX (payments_due)
WHERE due_at <= NOW(6)
ORDER BY due_at
LIMIT ?
FOR UPDATE SKIP LOCKED;

-- name: ListDuePayments :many
SELECT order_id
FROM payments
WHERE due_at <= NOW(6)
ORDER BY due_at
LIMIT ?;

-- name: PutOffPayment :exec
-- PutOffPayment takes a payment that cannot be worked on out of the others' way.
UPDATE payments
SET due_at = NOW(6) + INTERVAL 1 HOUR, reason = ?, updated_at = NOW(6)
WHERE order_id = ? AND due_at <= NOW(6);

-- name: NextDue :one
SELECT CAST(TIMESTAMPDIFF(MICROSECOND, NOW(6), due_at) AS SIGNED) AS due_in_micros
FROM payments
WHERE due_at IS NOT NULL
ORDER BY due_at
LIMIT 1;

-- name: Backlog :many
-- Backlog reads no more rows than it is told to, those that have been due for the longest. The
-- index is forced because a scan of a small table looks cheaper.
SELECT state, currency, CAST(amount_minor > 0 AS SIGNED) AS has_amount, COUNT(*) AS payments,
    CAST(SUM(due_at <= NOW(6)) AS SIGNED) AS due,
    CAST(TIMESTAMPDIFF(MICROSECOND, MIN(due_at), NOW(6)) AS SIGNED) AS longest_due_micros,
    CAST(TIMESTAMPDIFF(MICROSECOND, MIN(created_at), NOW(6)) AS SIGNED) AS oldest_micros
FROM (
    SELECT state, currency, amount_minor, due_at, created_at
    FROM payments FORCE INDEX (payments_due)
    WHERE due_at IS NOT NULL
    ORDER BY due_at
    LIMIT ?
) AS unfinished
GROUP BY state, currency, has_amount;
