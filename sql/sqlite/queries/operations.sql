-- The operations of payments other than charges.

-- name: PutOperation :exec
-- PutOperation inserts or replaces an operation.
REPLACE INTO operations (
    order_id, operation_kind, operation_name, amount_minor, currency, state, gateway_key, gateway,
    charge_key, charge_gateway, charge_transaction_id, note, fence, replica, due_at,
    attempt_number, attempt_fence, attempt_replica, attempt_gateway_key,
    attempt_started_at, attempt_ended_at, attempt_class, attempt_code, attempt_message,
    key_sent_at, key_sent_clock, key_lifetime_micros, doubt_answered, doubt_named, doubt_unanswered_at,
    doubt_unanswered_clock, doubt_latest_at, doubt_latest_clock, retries, lookups, lost_workers, events, async,
    deferred_retries, transaction_id, code, reason, created_at, updated_at
) VALUES (
    ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
    ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?
);

-- name: FindOperation :one
SELECT sqlc.embed(operations)
FROM operations
WHERE order_id = ? AND operation_kind = ? AND operation_name = ?;

-- name: ListOperations :many
SELECT sqlc.embed(operations)
FROM operations
WHERE order_id = ?
ORDER BY created_at, operation_kind, operation_name;

-- name: ListWaitingOperations :many
SELECT sqlc.embed(operations)
FROM operations
WHERE due_at IS NOT NULL
ORDER BY due_at, order_id, operation_kind, operation_name
LIMIT sqlc.arg(page_limit);

-- name: FindRefunds :many
-- FindRefunds reads what an audit compares, by the first columns of the primary key.
SELECT order_id, operation_name, charge_key, amount_minor, currency, state, doubt_answered, doubt_named,
    doubt_unanswered_at, updated_at
FROM operations
WHERE order_id IN (sqlc.slice(order_ids)) AND operation_kind = 'refund';

-- name: FindOperationOfKey :one
-- FindOperationOfKey returns the operation that a gateway key belongs to: its current one, one of an attempt, or
-- one with a record.
SELECT operation_name
FROM operations
WHERE operations.order_id = sqlc.arg(order_id) AND operations.operation_kind = sqlc.arg(operation_kind)
    AND (operations.gateway_key = sqlc.arg(gateway_key) OR attempt_gateway_key = sqlc.arg(gateway_key))
UNION
SELECT operation_name
FROM operation_keys
WHERE operation_keys.order_id = sqlc.arg(order_id) AND operation_keys.operation_kind = sqlc.arg(operation_kind)
    AND operation_keys.gateway_key = sqlc.arg(gateway_key)
UNION
SELECT operation_name
FROM operation_attempts
WHERE operation_attempts.order_id = sqlc.arg(order_id) AND operation_attempts.operation_kind = sqlc.arg(operation_kind)
    AND operation_attempts.gateway_key = sqlc.arg(gateway_key)
LIMIT 1;

-- name: InsertOperationAttempt :exec
INSERT INTO operation_attempts (
    order_id, operation_kind, operation_name,
    number, fence, replica, gateway_key, started_at, ended_at, class, code, message
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: ListOperationAttempts :many
SELECT sqlc.embed(operation_attempts)
FROM operation_attempts
WHERE order_id = ?
ORDER BY operation_kind, operation_name, number;

-- name: InsertOperationEvent :exec
INSERT INTO operation_events (
    order_id, operation_kind, operation_name, number, kind, at, replica, fence, detail
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: ListOperationEvents :many
SELECT sqlc.embed(operation_events)
FROM operation_events
WHERE order_id = ?
ORDER BY operation_kind, operation_name, number;

-- name: ListDueOperations :many
-- ListDueOperations is ListDuePayments for operations, which never change their gateway.
SELECT order_id, operation_kind, operation_name, due_at
FROM operations
WHERE state = sqlc.arg(state) AND (due_at <= sqlc.arg(now) OR due_at > sqlc.arg(due_before))
    AND instr(CAST(sqlc.arg(gateways) AS TEXT), char(10) || gateway || char(10)) > 0
ORDER BY due_at
LIMIT sqlc.arg(page_limit);

-- name: PostponeOperation :exec
-- PostponeOperation postpones an operation that cannot be claimed.
UPDATE operations
SET due_at = sqlc.arg(due_at), reason = sqlc.arg(reason), updated_at = sqlc.arg(updated_at)
WHERE order_id = sqlc.arg(order_id) AND operation_kind = sqlc.arg(operation_kind) AND operation_name = sqlc.arg(operation_name)
    AND (due_at <= sqlc.arg(now) OR due_at > sqlc.arg(due_before));

-- name: NextDueOperation :one
SELECT due_at
FROM operations
WHERE due_at IS NOT NULL AND state = sqlc.arg(state)
    AND instr(CAST(sqlc.arg(gateways) AS TEXT), char(10) || gateway || char(10)) > 0
ORDER BY due_at
LIMIT 1;

-- name: AnyDueOperationAhead :one
-- AnyDueOperationAhead is AnyDueAhead for operations.
SELECT EXISTS (
    SELECT 1 FROM operations
    WHERE due_at > sqlc.arg(due_before) AND state = sqlc.arg(state)
        AND instr(CAST(sqlc.arg(gateways) AS TEXT), char(10) || gateway || char(10)) > 0
);

-- name: BacklogOfOperations :many
-- BacklogOfOperations is Backlog for operations.
SELECT operation_kind, state, currency, CAST(amount_minor > 0 AS INTEGER) AS has_amount, COUNT(*) AS operations,
    CAST(SUM(due_at <= sqlc.arg(now)) AS INTEGER) AS due,
    CAST(MIN(due_at) AS INTEGER) AS first_due_at,
    CAST(MIN(created_at) AS INTEGER) AS first_created_at
FROM (
    SELECT operation_kind, state, currency, amount_minor, due_at, created_at
    FROM operations
    WHERE due_at IS NOT NULL
    ORDER BY due_at
    LIMIT sqlc.arg(max_rows)
) AS unfinished
GROUP BY operation_kind, state, currency, amount_minor > 0;

-- name: CountForeignOperations :one
-- CountForeignOperations is CountForeign for operations.
SELECT COUNT(*)
FROM (
    SELECT 1 AS waits
    FROM operations
    WHERE due_at IS NOT NULL AND instr(CAST(sqlc.arg(gateways) AS TEXT), char(10) || gateway || char(10)) = 0
    LIMIT sqlc.arg(max_rows)
) AS waiting;

-- name: ReleaseOperations :exec
-- ReleaseOperations is ReleasePayments for operations.
UPDATE operations
SET due_at = sqlc.arg(now)
WHERE replica = sqlc.arg(replica) AND state = 'processing' AND due_at > sqlc.arg(now);
