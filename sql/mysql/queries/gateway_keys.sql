-- name: PutGatewayKey :exec
-- PutGatewayKey inserts or replaces the record of a key.
INSERT INTO gateway_keys (
    order_id, gateway_key, gateway, sent_at, sent_clock, lifetime_micros,
    doubt_answered, doubt_named, doubt_unanswered_at, doubt_unanswered_clock, doubt_latest_at, doubt_latest_clock,
    refused_class, refused_code, refused_message, look_at, look_clock, attempts, lookups, due_at,
    closed, closed_at, watch_until, transaction_id,
    payment_method, return_url, gateway_reference, redirect_url
) VALUES (
    ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?
)
ON DUPLICATE KEY UPDATE
    gateway = VALUES(gateway),
    sent_at = VALUES(sent_at),
    sent_clock = VALUES(sent_clock),
    lifetime_micros = VALUES(lifetime_micros),
    doubt_answered = VALUES(doubt_answered),
    doubt_named = VALUES(doubt_named),
    doubt_unanswered_at = VALUES(doubt_unanswered_at),
    doubt_unanswered_clock = VALUES(doubt_unanswered_clock),
    doubt_latest_at = VALUES(doubt_latest_at),
    doubt_latest_clock = VALUES(doubt_latest_clock),
    refused_class = VALUES(refused_class),
    refused_code = VALUES(refused_code),
    refused_message = VALUES(refused_message),
    look_at = VALUES(look_at),
    look_clock = VALUES(look_clock),
    attempts = VALUES(attempts),
    lookups = VALUES(lookups),
    due_at = VALUES(due_at),
    closed = VALUES(closed),
    closed_at = VALUES(closed_at),
    watch_until = VALUES(watch_until),
    transaction_id = VALUES(transaction_id),
    payment_method = VALUES(payment_method),
    return_url = VALUES(return_url),
    gateway_reference = VALUES(gateway_reference),
    redirect_url = VALUES(redirect_url);

-- name: ListGatewayKeys :many
SELECT sqlc.embed(gateway_keys)
FROM gateway_keys
WHERE order_id = ?
ORDER BY gateway_key;

-- name: ListDueGatewayKeys :many
SELECT order_id, gateway_key, due_at
FROM gateway_keys
WHERE (due_at <= NOW(6) OR due_at > NOW(6) + INTERVAL CAST(sqlc.arg(within_micros) AS SIGNED) MICROSECOND)
    AND gateway IN (sqlc.slice(gateways))
ORDER BY due_at
LIMIT ?;

-- name: NextDueGatewayKey :many
-- NextDueGatewayKey returns at most one row of payments' keys and one of other operations'.
(
    SELECT CAST(TIMESTAMPDIFF(MICROSECOND, NOW(6), due_at) AS SIGNED) AS due_in_micros
    FROM gateway_keys
    WHERE due_at IS NOT NULL AND gateway_keys.gateway IN (sqlc.slice(gateways))
    ORDER BY due_at
    LIMIT 1
) UNION ALL (
    SELECT CAST(TIMESTAMPDIFF(MICROSECOND, NOW(6), due_at) AS SIGNED) AS due_in_micros
    FROM operation_keys
    WHERE due_at IS NOT NULL AND operation_keys.gateway IN (sqlc.slice(operation_gateways))
    ORDER BY due_at
    LIMIT 1
);

-- name: AnyDueGatewayKeyAhead :one
-- AnyDueGatewayKeyAhead looks for a due time that was set by a clock that has since stepped back.
SELECT EXISTS (
    SELECT 1 FROM gateway_keys
    WHERE due_at > NOW(6) + INTERVAL CAST(sqlc.arg(within_micros) AS SIGNED) MICROSECOND
        AND gateway IN (sqlc.slice(gateways))
);

-- name: CountForeignGatewayKeys :one
-- CountForeignGatewayKeys counts keys whose lookup waits for a gateway that is not configured.
SELECT COUNT(*)
FROM (
    SELECT 1 AS waits
    FROM gateway_keys
    WHERE due_at IS NOT NULL AND gateway NOT IN (sqlc.slice(gateways))
    LIMIT ?
) AS waiting;

-- name: PostponeGatewayKey :exec
-- PostponeGatewayKey postpones a key whose payment cannot be read.
UPDATE gateway_keys
SET due_at = NOW(6) + INTERVAL CAST(sqlc.arg(postpone_micros) AS SIGNED) MICROSECOND
WHERE order_id = sqlc.arg(order_id) AND gateway_key = sqlc.arg(gateway_key)
    AND (due_at <= NOW(6) OR due_at > NOW(6) + INTERVAL CAST(sqlc.arg(within_micros) AS SIGNED) MICROSECOND);
