-- name: SumOutstanding :many
-- SumOutstanding sums up a limited number of rows of each table, the longest due first. It is one statement,
-- because replicas send it once a second while the console is open. Keys have no state and no currency; their
-- empty texts have the collation of those columns, because TiDB unites no others (1271). The sums of amounts are split,
-- because their sum may exceed a BIGINT. The least due time and the least creation time,
-- in microseconds since 1970, have the order behind them. due_at is selected because Vitess sorts each part by it again.
SELECT operation_kind, state, gateway, currency, has_amount, in_doubt,
    COUNT(*) AS operations,
    CAST(SUM(thousands) AS SIGNED) AS thousands, CAST(SUM(rest) AS SIGNED) AS rest,
    CONCAT(MIN(CONCAT(LPAD(due_micros, 20, '0'), order_id))) AS first_due,
    CONCAT(MIN(CONCAT(LPAD(created_micros, 20, '0'), order_id))) AS first_created,
    CAST(MAX(now_micros) AS SIGNED) AS now_micros
FROM (
    (
        SELECT order_id, LEFT(state, 0) AS operation_kind, state, gateway, currency,
            CAST(amount_minor > 0 AS SIGNED) AS has_amount, amount_minor DIV 1000 AS thousands, amount_minor MOD 1000 AS rest,
            CAST(doubt_answered <> 0 OR doubt_named <> 0 OR doubt_unanswered_at IS NOT NULL OR state IN ('pending', 'unresolved')
                OR (state = 'processing' AND due_at <= NOW(6)) AS SIGNED) AS in_doubt,
            TIMESTAMPDIFF(MICROSECOND, TIMESTAMP '1970-01-01 00:00:00', due_at) AS due_micros,
            TIMESTAMPDIFF(MICROSECOND, TIMESTAMP '1970-01-01 00:00:00', created_at) AS created_micros,
            TIMESTAMPDIFF(MICROSECOND, TIMESTAMP '1970-01-01 00:00:00', NOW(6)) AS now_micros, due_at
        FROM payments FORCE INDEX (payments_due)
        WHERE due_at IS NOT NULL
        ORDER BY due_at
        LIMIT ?
    ) UNION ALL (
        SELECT order_id, operation_kind, state, gateway, currency,
            CAST(amount_minor > 0 AS SIGNED) AS has_amount, amount_minor DIV 1000 AS thousands, amount_minor MOD 1000 AS rest,
            CAST(doubt_answered <> 0 OR doubt_named <> 0 OR doubt_unanswered_at IS NOT NULL OR state IN ('pending', 'unresolved')
                OR (state = 'processing' AND due_at <= NOW(6)) AS SIGNED) AS in_doubt,
            TIMESTAMPDIFF(MICROSECOND, TIMESTAMP '1970-01-01 00:00:00', due_at) AS due_micros,
            TIMESTAMPDIFF(MICROSECOND, TIMESTAMP '1970-01-01 00:00:00', created_at) AS created_micros,
            TIMESTAMPDIFF(MICROSECOND, TIMESTAMP '1970-01-01 00:00:00', NOW(6)) AS now_micros, due_at
        FROM operations FORCE INDEX (operations_due)
        WHERE due_at IS NOT NULL
        ORDER BY due_at
        LIMIT ?
    ) UNION ALL (
        SELECT order_id, LEFT(closed, 0) AS operation_kind, LEFT(closed, 0) AS state, gateway, LEFT(closed, 0) AS currency, 0 AS has_amount, 0 AS thousands, 0 AS rest, 0 AS in_doubt,
            TIMESTAMPDIFF(MICROSECOND, TIMESTAMP '1970-01-01 00:00:00', due_at) AS due_micros,
            TIMESTAMPDIFF(MICROSECOND, TIMESTAMP '1970-01-01 00:00:00', COALESCE(sent_at, due_at)) AS created_micros,
            TIMESTAMPDIFF(MICROSECOND, TIMESTAMP '1970-01-01 00:00:00', NOW(6)) AS now_micros, due_at
        FROM gateway_keys FORCE INDEX (gateway_keys_due)
        WHERE due_at IS NOT NULL
        ORDER BY due_at
        LIMIT ?
    ) UNION ALL (
        SELECT order_id, operation_kind, LEFT(closed, 0) AS state, gateway, LEFT(closed, 0) AS currency, 0 AS has_amount, 0 AS thousands, 0 AS rest, 0 AS in_doubt,
            TIMESTAMPDIFF(MICROSECOND, TIMESTAMP '1970-01-01 00:00:00', due_at) AS due_micros,
            TIMESTAMPDIFF(MICROSECOND, TIMESTAMP '1970-01-01 00:00:00', COALESCE(sent_at, due_at)) AS created_micros,
            TIMESTAMPDIFF(MICROSECOND, TIMESTAMP '1970-01-01 00:00:00', NOW(6)) AS now_micros, due_at
        FROM operation_keys FORCE INDEX (operation_keys_due)
        WHERE due_at IS NOT NULL
        ORDER BY due_at
        LIMIT ?
    )
) AS unfinished
GROUP BY operation_kind, state, gateway, currency, has_amount, in_doubt;
