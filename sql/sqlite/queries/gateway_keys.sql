-- name: PutGatewayKey :exec
-- PutGatewayKey inserts or replaces the record of a key.
REPLACE INTO gateway_keys (
    order_id, gateway_key, gateway, sent_at, sent_clock, lifetime_micros,
    doubt_answered, doubt_named, doubt_unanswered_at, doubt_unanswered_clock, doubt_latest_at, doubt_latest_clock,
    refused_class, refused_code, refused_message, look_at, look_clock, attempts, lookups, due_at,
    closed, closed_at, watch_until, transaction_id,
    payment_method, return_url, gateway_reference, redirect_url
) VALUES (
    ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?
);

-- name: ListGatewayKeys :many
SELECT sqlc.embed(gateway_keys)
FROM gateway_keys
WHERE order_id = ?
ORDER BY gateway_key;

-- name: ListDueGatewayKeys :many
SELECT order_id, gateway_key, due_at
FROM gateway_keys
WHERE (due_at <= sqlc.arg(now) OR due_at > sqlc.arg(due_before)) AND instr(CAST(sqlc.arg(gateways) AS TEXT), char(10) || gateway || char(10)) > 0
ORDER BY due_at
LIMIT sqlc.arg(page_limit);

-- name: NextDueGatewayKey :one
SELECT due_at
FROM gateway_keys
WHERE due_at IS NOT NULL AND instr(CAST(sqlc.arg(gateways) AS TEXT), char(10) || gateway || char(10)) > 0
ORDER BY due_at
LIMIT 1;

-- name: AnyDueGatewayKeyAhead :one
-- AnyDueGatewayKeyAhead looks for a due time that was set by a clock that has since stepped back.
SELECT EXISTS (
    SELECT 1 FROM gateway_keys
    WHERE due_at > sqlc.arg(due_before) AND instr(CAST(sqlc.arg(gateways) AS TEXT), char(10) || gateway || char(10)) > 0
);

-- name: CountForeignGatewayKeys :one
-- CountForeignGatewayKeys counts keys whose lookup waits for a gateway that is not configured.
SELECT COUNT(*)
FROM (
    SELECT 1 AS waits
    FROM gateway_keys
    WHERE due_at IS NOT NULL AND instr(CAST(sqlc.arg(gateways) AS TEXT), char(10) || gateway || char(10)) = 0
    LIMIT sqlc.arg(max_rows)
) AS waiting;

-- name: PostponeGatewayKey :exec
-- PostponeGatewayKey postpones a key whose payment cannot be read.
UPDATE gateway_keys
SET due_at = sqlc.arg(due_at)
WHERE order_id = sqlc.arg(order_id) AND gateway_key = sqlc.arg(gateway_key)
    AND (due_at <= sqlc.arg(now) OR due_at > sqlc.arg(due_before));
