-- name: LockDuePayments :many
-- LockDuePayments locks the payments that are due, and skips rows that other transactions have locked.
SELECT sqlc.embed(payments), NOW(6) AS read_at
FROM payments FORCE INDEX (PRIMARY)
WHERE order_id IN (sqlc.slice(order_ids)) AND state = sqlc.arg(state)
    AND (due_at <= NOW(6) OR due_at > NOW(6) + INTERVAL CAST(sqlc.arg(within_micros) AS SIGNED) MICROSECOND)
ORDER BY order_id
FOR UPDATE SKIP LOCKED;

-- name: LockDuePaymentsNoWait :many
-- LockDuePaymentsNoWait is LockDuePayments for a server whose SKIP LOCKED locks nothing. It fails if one of
-- the rows is locked.
SELECT sqlc.embed(payments), NOW(6) AS read_at
FROM payments FORCE INDEX (PRIMARY)
WHERE order_id IN (sqlc.slice(order_ids)) AND state = sqlc.arg(state)
    AND (due_at <= NOW(6) OR due_at > NOW(6) + INTERVAL CAST(sqlc.arg(within_micros) AS SIGNED) MICROSECOND)
ORDER BY order_id
FOR UPDATE NOWAIT;

-- name: LockFreePayment :many
-- LockFreePayment is LockPayment that returns no row if another transaction has locked it.
SELECT sqlc.embed(payments), SYSDATE(6) AS read_at
FROM payments
WHERE order_id = ?
FOR UPDATE SKIP LOCKED;

-- name: LockPaymentNoWait :many
-- LockPaymentNoWait is LockFreePayment for a server whose SKIP LOCKED locks nothing. It fails if the row is locked.
SELECT sqlc.embed(payments), SYSDATE(6) AS read_at
FROM payments
WHERE order_id = ?
FOR UPDATE NOWAIT;

-- name: ListDuePayments :many
-- ListDuePayments finds due work of one kind, and takes no lock. A due time too far in the future was
-- set by a clock that has since stepped back, and counts as due. Payments of other gateways are
-- excluded while their key may be in doubt. The index is forced because the optimizer prefers a scan of
-- a small table.
SELECT order_id, due_at
FROM payments FORCE INDEX (payments_due)
WHERE (due_at <= NOW(6) OR due_at > NOW(6) + INTERVAL CAST(sqlc.arg(within_micros) AS SIGNED) MICROSECOND)
    AND state = sqlc.arg(state)
    AND (gateway IN (sqlc.slice(gateways)) OR (state = 'scheduled'
        AND doubt_answered = FALSE AND doubt_named = FALSE AND doubt_unanswered_at IS NULL))
ORDER BY due_at
LIMIT ?;

-- name: PostponePayment :exec
-- PostponePayment postpones a payment that cannot be claimed.
UPDATE payments
SET due_at = NOW(6) + INTERVAL CAST(sqlc.arg(postpone_micros) AS SIGNED) MICROSECOND,
    reason = sqlc.arg(reason), updated_at = NOW(6)
WHERE order_id = sqlc.arg(order_id)
    AND (due_at <= NOW(6) OR due_at > NOW(6) + INTERVAL CAST(sqlc.arg(within_micros) AS SIGNED) MICROSECOND);

-- name: NextDue :many
-- NextDue returns at most one row of payments and one of other operations. It is one statement, because the
-- queue sends it once a second.
(
    SELECT CAST(TIMESTAMPDIFF(MICROSECOND, NOW(6), due_at) AS SIGNED) AS due_in_micros
    FROM payments FORCE INDEX (payments_due)
    WHERE due_at <= NOW(6) + INTERVAL CAST(sqlc.arg(within_micros) AS SIGNED) MICROSECOND
        AND payments.state = sqlc.arg(state)
        AND (payments.gateway IN (sqlc.slice(gateways)) OR (payments.state = 'scheduled'
            AND doubt_answered = FALSE AND doubt_named = FALSE AND doubt_unanswered_at IS NULL))
    ORDER BY due_at
    LIMIT 1
) UNION ALL (
    SELECT CAST(TIMESTAMPDIFF(MICROSECOND, NOW(6), due_at) AS SIGNED) AS due_in_micros
    FROM operations FORCE INDEX (operations_due)
    WHERE due_at IS NOT NULL AND operations.state = sqlc.arg(operation_state)
        AND operations.gateway IN (sqlc.slice(operation_gateways))
    ORDER BY due_at
    LIMIT 1
);

-- name: Backlog :many
-- Backlog reads a limited number of rows, those that have been due the longest. The index is forced
-- because the optimizer prefers a scan of a small table. What a row needs of the clock is calculated in
-- the inner query, because Vitess aggregates the rows of several shards outside of MySQL.
SELECT state, currency, has_amount, COUNT(*) AS payments,
    CAST(SUM(is_due) AS SIGNED) AS due,
    CAST(MAX(due_for) AS SIGNED) AS longest_due_micros,
    CAST(MAX(age) AS SIGNED) AS oldest_micros
FROM (
    SELECT state, currency, CAST(amount_minor > 0 AS SIGNED) AS has_amount, CAST(due_at <= NOW(6) AS SIGNED) AS is_due,
        TIMESTAMPDIFF(MICROSECOND, due_at, NOW(6)) AS due_for, TIMESTAMPDIFF(MICROSECOND, created_at, NOW(6)) AS age
    FROM payments FORCE INDEX (payments_due)
    WHERE due_at IS NOT NULL
    ORDER BY due_at
    LIMIT ?
) AS unfinished
GROUP BY state, currency, has_amount;

-- name: AnyDueAhead :one
-- AnyDueAhead looks for a due time that was set by a clock that has since stepped back.
SELECT EXISTS (
    SELECT 1 FROM payments FORCE INDEX (payments_due)
    WHERE due_at > NOW(6) + INTERVAL CAST(sqlc.arg(within_micros) AS SIGNED) MICROSECOND AND state = sqlc.arg(state)
        AND (gateway IN (sqlc.slice(gateways)) OR (state = 'scheduled'
            AND doubt_answered = FALSE AND doubt_named = FALSE AND doubt_unanswered_at IS NULL))
);

-- name: CountForeign :one
-- CountForeign counts payments that belong to a gateway that is not configured.
SELECT COUNT(*)
FROM (
    SELECT 1 AS waits
    FROM payments FORCE INDEX (payments_due)
    WHERE due_at IS NOT NULL AND gateway NOT IN (sqlc.slice(gateways))
        AND NOT (state = 'scheduled' AND doubt_answered = FALSE AND doubt_named = FALSE AND doubt_unanswered_at IS NULL)
    LIMIT ?
) AS waiting;

-- name: ListWaiting :many
-- ListWaiting lists the payments in a state that is not final in the order of the index payments_due, so that it
-- reads no more of them than it returns. MariaDB reads the whole index if the bound is a parameter without a cast.
SELECT sqlc.embed(payments), NOW(6) AS read_at
FROM payments FORCE INDEX (payments_due)
WHERE due_at >= CAST(sqlc.arg(from_due_at) AS DATETIME(6)) AND state = sqlc.arg(state)
    AND (due_at > sqlc.arg(after_due_at) OR created_at > sqlc.arg(after_created_at)
        OR (created_at = sqlc.arg(after_created_at) AND order_id > sqlc.arg(after_order_id)))
ORDER BY due_at, created_at, order_id
LIMIT ?;
