-- name: PutOperationKey :exec
-- PutOperationKey inserts or replaces the record of an operation's key.
INSERT INTO operation_keys (
    order_id, operation_kind, operation_name, gateway_key, gateway, sent_at, sent_clock, lifetime_micros,
    doubt_answered, doubt_named, doubt_unanswered_at, doubt_unanswered_clock, doubt_latest_at, doubt_latest_clock,
    refused_class, refused_code, refused_message, look_at, look_clock, attempts, lookups, due_at,
    closed, closed_at, watch_until, transaction_id,
    gateway_reference, redirect_url
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
    gateway_reference = VALUES(gateway_reference),
    redirect_url = VALUES(redirect_url);

-- name: ListOperationKeys :many
SELECT sqlc.embed(operation_keys)
FROM operation_keys
WHERE order_id = ? AND operation_kind = ? AND operation_name = ?
ORDER BY gateway_key;

-- name: ListKeysOfOperations :many
-- ListKeysOfOperations returns the records of the keys of all operations of an order.
SELECT sqlc.embed(operation_keys)
FROM operation_keys
WHERE order_id = ?
ORDER BY operation_kind, operation_name, gateway_key;

-- name: ListDueOperationKeys :many
SELECT order_id, operation_kind, operation_name, gateway_key, due_at
FROM operation_keys
WHERE (due_at <= NOW(6) OR due_at > NOW(6) + INTERVAL CAST(sqlc.arg(within_micros) AS SIGNED) MICROSECOND)
    AND gateway IN (sqlc.slice(gateways))
ORDER BY due_at
LIMIT ?;

-- name: AnyDueOperationKeyAhead :one
-- AnyDueOperationKeyAhead is AnyDueGatewayKeyAhead for operations.
SELECT EXISTS (
    SELECT 1 FROM operation_keys
    WHERE due_at > NOW(6) + INTERVAL CAST(sqlc.arg(within_micros) AS SIGNED) MICROSECOND
        AND gateway IN (sqlc.slice(gateways))
);

-- name: CountForeignOperationKeys :one
-- CountForeignOperationKeys is CountForeignGatewayKeys for operations.
SELECT COUNT(*)
FROM (
    SELECT 1 AS waits
    FROM operation_keys
    WHERE due_at IS NOT NULL AND gateway NOT IN (sqlc.slice(gateways))
    LIMIT ?
) AS waiting;

-- name: PostponeOperationKey :exec
-- PostponeOperationKey postpones a key whose operation cannot be read.
UPDATE operation_keys
SET due_at = NOW(6) + INTERVAL CAST(sqlc.arg(postpone_micros) AS SIGNED) MICROSECOND
WHERE order_id = sqlc.arg(order_id) AND operation_kind = sqlc.arg(operation_kind)
    AND operation_name = sqlc.arg(operation_name) AND gateway_key = sqlc.arg(gateway_key)
    AND (due_at <= NOW(6) OR due_at > NOW(6) + INTERVAL CAST(sqlc.arg(within_micros) AS SIGNED) MICROSECOND);
