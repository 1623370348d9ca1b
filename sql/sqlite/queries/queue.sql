-- name: ListDuePayments :many
SELECT sqlc.embed(payments)
FROM payments
WHERE state = sqlc.arg(state) AND (due_at <= sqlc.arg(now) OR due_at > sqlc.arg(due_before))
    AND (instr(CAST(sqlc.arg(gateways) AS TEXT), char(10) || gateway || char(10)) > 0 OR (state = 'scheduled'
        AND doubt_answered = 0 AND doubt_named = 0 AND doubt_unanswered_at IS NULL))
ORDER BY due_at
LIMIT sqlc.arg(page_limit);

-- name: PostponePayment :exec
-- PostponePayment postpones a payment that cannot be claimed.
UPDATE payments
SET due_at = sqlc.arg(due_at), reason = sqlc.arg(reason), updated_at = sqlc.arg(updated_at)
WHERE order_id = sqlc.arg(order_id) AND (due_at <= sqlc.arg(now) OR due_at > sqlc.arg(due_before));

-- name: NextDue :one
SELECT due_at
FROM payments
WHERE due_at IS NOT NULL AND state = sqlc.arg(state)
    AND (instr(CAST(sqlc.arg(gateways) AS TEXT), char(10) || gateway || char(10)) > 0 OR (state = 'scheduled'
        AND doubt_answered = 0 AND doubt_named = 0 AND doubt_unanswered_at IS NULL))
ORDER BY due_at
LIMIT 1;

-- name: Backlog :many
-- Backlog reads a limited number of rows, those that have been due the longest.
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

-- name: AnyDueAhead :one
-- AnyDueAhead looks for a due time that was set by a clock that has since stepped back.
SELECT EXISTS (
    SELECT 1 FROM payments
    WHERE due_at > sqlc.arg(due_before) AND state = sqlc.arg(state)
        AND (instr(CAST(sqlc.arg(gateways) AS TEXT), char(10) || gateway || char(10)) > 0 OR (state = 'scheduled'
            AND doubt_answered = 0 AND doubt_named = 0 AND doubt_unanswered_at IS NULL))
);

-- name: CountForeign :one
-- CountForeign counts payments that belong to a gateway that is not configured.
SELECT COUNT(*)
FROM (
    SELECT 1 AS waits
    FROM payments
    WHERE due_at IS NOT NULL AND instr(CAST(sqlc.arg(gateways) AS TEXT), char(10) || gateway || char(10)) = 0
        AND NOT (state = 'scheduled' AND doubt_answered = 0 AND doubt_named = 0 AND doubt_unanswered_at IS NULL)
    LIMIT sqlc.arg(max_rows)
) AS waiting;

-- name: ListWaiting :many
-- ListWaiting lists the payments in a state that is not final in the order of the index payments_due.
SELECT sqlc.embed(payments)
FROM payments
WHERE state = sqlc.arg(state) AND due_at IS NOT NULL AND due_at >= sqlc.arg(after_due_at)
    AND (due_at > sqlc.arg(after_due_at) OR created_at > sqlc.arg(after_created_at)
        OR (created_at = sqlc.arg(after_created_at) AND order_id > sqlc.arg(after_order_id)))
ORDER BY due_at, created_at, order_id
LIMIT sqlc.arg(page_limit);
