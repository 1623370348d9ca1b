-- name: PutOperationKey :exec
-- PutOperationKey inserts or replaces the record of an operation's key.
REPLACE INTO operation_keys (
    order_id, operation_kind, operation_name, gateway_key, gateway, gateway_reference, redirect_url,
    sent_at, sent_clock, lifetime_micros,
    doubt_answered, doubt_named, doubt_unanswered_at, doubt_unanswered_clock, doubt_latest_at, doubt_latest_clock,
    refused_class, refused_code, refused_message, look_at, look_clock, attempts, lookups, due_at,
    closed, closed_at, watch_until, transaction_id
) VALUES (
    ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?
);

-- name: ListOperationKeys :many
SELECT sqlc.embed(operation_keys)
FROM operation_keys
WHERE order_id = ? AND operation_kind = ? AND operation_name = ?
ORDER BY gateway_key;

-- name: ListKeysOfOperations :many
-- ListKeysOfOperations returns the keys of all operations of an order.
SELECT sqlc.embed(operation_keys)
FROM operation_keys
WHERE order_id = ?
ORDER BY operation_kind, operation_name, gateway_key;

-- name: ListDueOperationKeys :many
SELECT order_id, operation_kind, operation_name, gateway_key, due_at
FROM operation_keys
WHERE (due_at <= sqlc.arg(now) OR due_at > sqlc.arg(due_before)) AND instr(CAST(sqlc.arg(gateways) AS TEXT), char(10) || gateway || char(10)) > 0
ORDER BY due_at
LIMIT sqlc.arg(page_limit);

-- name: NextDueOperationKey :one
SELECT due_at
FROM operation_keys
WHERE due_at IS NOT NULL AND instr(CAST(sqlc.arg(gateways) AS TEXT), char(10) || gateway || char(10)) > 0
ORDER BY due_at
LIMIT 1;

-- name: AnyDueOperationKeyAhead :one
-- AnyDueOperationKeyAhead is AnyDueGatewayKeyAhead for operations.
SELECT EXISTS (
    SELECT 1 FROM operation_keys
    WHERE due_at > sqlc.arg(due_before) AND instr(CAST(sqlc.arg(gateways) AS TEXT), char(10) || gateway || char(10)) > 0
);

-- name: CountForeignOperationKeys :one
-- CountForeignOperationKeys is CountForeignGatewayKeys for operations.
SELECT COUNT(*)
FROM (
    SELECT 1 AS waits
    FROM operation_keys
    WHERE due_at IS NOT NULL AND instr(CAST(sqlc.arg(gateways) AS TEXT), char(10) || gateway || char(10)) = 0
    LIMIT sqlc.arg(max_rows)
) AS waiting;

-- name: PostponeOperationKey :exec
-- PostponeOperationKey postpones a key whose operation cannot be read.
UPDATE operation_keys
SET due_at = sqlc.arg(due_at)
WHERE order_id = sqlc.arg(order_id) AND operation_kind = sqlc.arg(operation_kind) AND operation_name = sqlc.arg(operation_name)
    AND gateway_key = sqlc.arg(gateway_key) AND (due_at <= sqlc.arg(now) OR due_at > sqlc.arg(due_before));
