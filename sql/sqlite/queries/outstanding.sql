-- name: SumOutstandingPayments :many
-- SumOutstandingPayments sums up a limited number of payments of one state, the longest due first. The sums of
-- amounts are split, because SQLite fails if an integer overflows. The least due time and the least creation
-- time have the order behind them.
SELECT state, gateway, currency, has_amount, in_doubt, COUNT(*) AS operations,
    CAST(SUM(amount_minor / 1000) AS INTEGER) AS thousands, CAST(SUM(amount_minor % 1000) AS INTEGER) AS rest,
    CAST(MIN(printf('%020d', due_at) || order_id) AS TEXT) AS first_due,
    CAST(MIN(printf('%020d', created_at) || order_id) AS TEXT) AS first_created
FROM (
    SELECT order_id, state, gateway, currency, amount_minor, due_at, created_at,
        CAST(amount_minor > 0 AS INTEGER) AS has_amount,
        CAST(doubt_answered <> 0 OR doubt_named <> 0 OR doubt_unanswered_at IS NOT NULL OR state IN ('pending', 'unresolved')
            OR (state = 'processing' AND due_at <= sqlc.arg(now)) AS INTEGER) AS in_doubt
    FROM payments
    WHERE state = sqlc.arg(state) AND due_at IS NOT NULL
    ORDER BY due_at
    LIMIT sqlc.arg(max_rows)
) AS unfinished
GROUP BY state, gateway, currency, has_amount, in_doubt;

-- name: SumOutstandingOperations :many
-- SumOutstandingOperations is SumOutstandingPayments for operations.
SELECT operation_kind, state, gateway, currency, has_amount, in_doubt, COUNT(*) AS operations,
    CAST(SUM(amount_minor / 1000) AS INTEGER) AS thousands, CAST(SUM(amount_minor % 1000) AS INTEGER) AS rest,
    CAST(MIN(printf('%020d', due_at) || order_id) AS TEXT) AS first_due,
    CAST(MIN(printf('%020d', created_at) || order_id) AS TEXT) AS first_created
FROM (
    SELECT order_id, operation_kind, state, gateway, currency, amount_minor, due_at, created_at,
        CAST(amount_minor > 0 AS INTEGER) AS has_amount,
        CAST(doubt_answered <> 0 OR doubt_named <> 0 OR doubt_unanswered_at IS NOT NULL OR state IN ('pending', 'unresolved')
            OR (state = 'processing' AND due_at <= sqlc.arg(now)) AS INTEGER) AS in_doubt
    FROM operations
    WHERE state = sqlc.arg(state) AND due_at IS NOT NULL
    ORDER BY due_at
    LIMIT sqlc.arg(max_rows)
) AS unfinished
GROUP BY operation_kind, state, gateway, currency, has_amount, in_doubt;

-- name: SumOutstandingKeys :many
-- SumOutstandingKeys is SumOutstandingPayments for keys whose own lookups are due at some time.
SELECT gateway, COUNT(*) AS lookups_due,
    CAST(MIN(printf('%020d', due_at) || order_id) AS TEXT) AS first_due,
    CAST(MIN(printf('%020d', COALESCE(sent_at, due_at)) || order_id) AS TEXT) AS first_sent
FROM (
    SELECT order_id, gateway, due_at, sent_at
    FROM gateway_keys
    WHERE due_at IS NOT NULL
    ORDER BY due_at
    LIMIT sqlc.arg(max_rows)
) AS due
GROUP BY gateway;

-- name: SumOutstandingOperationKeys :many
-- SumOutstandingOperationKeys is SumOutstandingKeys for keys of operations.
SELECT operation_kind, gateway, COUNT(*) AS lookups_due,
    CAST(MIN(printf('%020d', due_at) || order_id) AS TEXT) AS first_due,
    CAST(MIN(printf('%020d', COALESCE(sent_at, due_at)) || order_id) AS TEXT) AS first_sent
FROM (
    SELECT order_id, operation_kind, gateway, due_at, sent_at
    FROM operation_keys
    WHERE due_at IS NOT NULL
    ORDER BY due_at
    LIMIT sqlc.arg(max_rows)
) AS due
GROUP BY operation_kind, gateway;
