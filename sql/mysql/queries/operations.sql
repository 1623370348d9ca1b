-- The operations of payments other than charges. A change of one locks the row of its payment first; see
-- LockPayment.

-- name: LockOperation :one
-- LockOperation is LockPayment for an operation.
SELECT sqlc.embed(operations), SYSDATE(6) AS read_at
FROM operations
WHERE order_id = ? AND operation_kind = ? AND operation_name = ?
FOR UPDATE;

-- name: InsertOperation :exec
INSERT INTO operations (
    order_id, operation_kind, operation_name, amount_minor, currency, state, gateway_key, gateway,
    charge_key, charge_gateway, charge_transaction_id, note,
    fence, claim_token, replica, due_at,
    attempt_number, attempt_fence, attempt_replica, attempt_gateway_key, attempt_started_at,
    attempt_class, attempt_code, attempt_message,
    key_sent_at, key_sent_clock, key_lifetime_micros,
    doubt_answered, doubt_named, retries, lookups, lost_workers, events, async, deferred_retries,
    transaction_id, code, reason, created_at, updated_at
) VALUES (
    ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', '', '', ?, ?, ?,
    FALSE, FALSE, 0, 0, 0, ?, ?, 0, '', '', '', ?, ?
);

-- name: UpdateOperation :execrows
-- UpdateOperation writes a locked operation; see UpdatePayment.
UPDATE operations
SET state = sqlc.arg(state), gateway_key = sqlc.arg(gateway_key),
    fence = sqlc.arg(fence), claim_token = sqlc.arg(claim_token),
    replica = sqlc.arg(replica), due_at = sqlc.arg(due_at),
    attempt_number = sqlc.arg(attempt_number), attempt_fence = sqlc.arg(attempt_fence),
    attempt_replica = sqlc.arg(attempt_replica), attempt_gateway_key = sqlc.arg(attempt_gateway_key),
    attempt_started_at = sqlc.arg(attempt_started_at), attempt_ended_at = sqlc.arg(attempt_ended_at),
    attempt_class = sqlc.arg(attempt_class), attempt_code = sqlc.arg(attempt_code),
    attempt_message = sqlc.arg(attempt_message),
    doubt_answered = sqlc.arg(doubt_answered), doubt_unanswered_at = sqlc.arg(doubt_unanswered_at),
    lookups = sqlc.arg(lookups), lost_workers = sqlc.arg(lost_workers), events = sqlc.arg(events),
    async = sqlc.arg(async), deferred_retries = sqlc.arg(deferred_retries),
    transaction_id = sqlc.arg(transaction_id), code = sqlc.arg(code), reason = sqlc.arg(reason),
    gateway = sqlc.arg(gateway), key_sent_at = sqlc.arg(key_sent_at), key_sent_clock = sqlc.arg(key_sent_clock),
    key_lifetime_micros = sqlc.arg(key_lifetime_micros), retries = sqlc.arg(retries),
    doubt_named = sqlc.arg(doubt_named), doubt_unanswered_clock = sqlc.arg(doubt_unanswered_clock),
    doubt_latest_at = sqlc.arg(doubt_latest_at), doubt_latest_clock = sqlc.arg(doubt_latest_clock),
    updated_at = sqlc.arg(updated_at)
WHERE order_id = sqlc.arg(order_id) AND operation_kind = sqlc.arg(operation_kind)
    AND operation_name = sqlc.arg(operation_name) AND fence = sqlc.arg(fence_read) AND state = sqlc.arg(state_read)
    AND attempt_number = sqlc.arg(attempt_number_read);

-- name: SettleOperation :execrows
-- SettleOperation is SettlePayment for the success of an operation that changes nothing of its payment.
UPDATE operations
SET state = sqlc.arg(new_state), transaction_id = sqlc.arg(transaction_id),
    code = sqlc.arg(code), reason = sqlc.arg(reason), due_at = NULL,
    attempt_ended_at = attempt_started_at + INTERVAL CAST(sqlc.arg(took_micros) AS SIGNED) MICROSECOND,
    attempt_class = sqlc.arg(attempt_class), attempt_code = sqlc.arg(attempt_code),
    attempt_message = sqlc.arg(attempt_message),
    doubt_answered = FALSE, doubt_named = FALSE, doubt_unanswered_at = NULL, doubt_unanswered_clock = NULL,
    doubt_latest_at = NULL, doubt_latest_clock = NULL, lost_workers = 0, updated_at = NOW(6)
WHERE order_id = sqlc.arg(order_id) AND operation_kind = sqlc.arg(operation_kind)
    AND operation_name = sqlc.arg(operation_name) AND fence = sqlc.arg(fence) AND state = sqlc.arg(state)
    AND attempt_number = sqlc.arg(attempt_number) AND attempt_class = '' AND attempt_started_at IS NOT NULL;

-- name: FindOperation :one
SELECT sqlc.embed(operations), NOW(6) AS read_at
FROM operations
WHERE order_id = ? AND operation_kind = ? AND operation_name = ?;

-- name: ListOperations :many
SELECT sqlc.embed(operations), NOW(6) AS read_at
FROM operations
WHERE order_id = ?
ORDER BY created_at, operation_kind, operation_name;

-- name: ListWaitingOperations :many
SELECT sqlc.embed(operations), NOW(6) AS read_at
FROM operations
WHERE due_at IS NOT NULL
ORDER BY due_at, order_id, operation_kind, operation_name
LIMIT ?;

-- name: FindRefunds :many
-- FindRefunds reads what an audit compares, by the first columns of the primary key.
SELECT order_id, operation_name, charge_key, amount_minor, currency, state, doubt_answered, doubt_named,
    doubt_unanswered_at, updated_at
FROM operations
WHERE order_id IN (sqlc.slice(order_ids)) AND operation_kind = 'refund';

-- name: FindOperationOfKey :one
-- FindOperationOfKey returns the operation of which a gateway key is the current one, one with a record, or one
-- of an attempt.
SELECT o.operation_name
FROM operations AS o
WHERE o.order_id = sqlc.arg(order_id) AND o.operation_kind = sqlc.arg(operation_kind)
    AND (o.gateway_key = sqlc.arg(gateway_key) OR o.attempt_gateway_key = sqlc.arg(gateway_key)
        OR EXISTS (
            SELECT 1 FROM operation_keys AS k
            WHERE k.order_id = o.order_id AND k.operation_kind = o.operation_kind
                AND k.operation_name = o.operation_name AND k.gateway_key = sqlc.arg(gateway_key)
        )
        OR EXISTS (
            SELECT 1 FROM operation_attempts AS a
            WHERE a.order_id = o.order_id AND a.operation_kind = o.operation_kind
                AND a.operation_name = o.operation_name AND a.gateway_key = sqlc.arg(gateway_key)
        ))
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
FROM operations FORCE INDEX (operations_due)
WHERE (due_at <= NOW(6) OR due_at > NOW(6) + INTERVAL CAST(sqlc.arg(within_micros) AS SIGNED) MICROSECOND)
    AND state = sqlc.arg(state)
    AND gateway IN (sqlc.slice(gateways))
ORDER BY due_at
LIMIT ?;

-- name: PostponeOperation :exec
-- PostponeOperation postpones an operation that cannot be claimed.
UPDATE operations
SET due_at = NOW(6) + INTERVAL CAST(sqlc.arg(postpone_micros) AS SIGNED) MICROSECOND,
    reason = sqlc.arg(reason), updated_at = NOW(6)
WHERE order_id = sqlc.arg(order_id) AND operation_kind = sqlc.arg(operation_kind)
    AND operation_name = sqlc.arg(operation_name)
    AND (due_at <= NOW(6) OR due_at > NOW(6) + INTERVAL CAST(sqlc.arg(within_micros) AS SIGNED) MICROSECOND);

-- name: AnyDueOperationAhead :one
-- AnyDueOperationAhead is AnyDueAhead for operations.
SELECT EXISTS (
    SELECT 1 FROM operations FORCE INDEX (operations_due)
    WHERE due_at > NOW(6) + INTERVAL CAST(sqlc.arg(within_micros) AS SIGNED) MICROSECOND AND state = sqlc.arg(state)
        AND gateway IN (sqlc.slice(gateways))
);

-- name: BacklogOfOperations :many
-- BacklogOfOperations is Backlog for operations.
SELECT operation_kind, state, currency, has_amount, COUNT(*) AS operations,
    CAST(SUM(is_due) AS SIGNED) AS due,
    CAST(MAX(due_for) AS SIGNED) AS longest_due_micros,
    CAST(MAX(age) AS SIGNED) AS oldest_micros
FROM (
    SELECT operation_kind, state, currency,
        CAST(amount_minor > 0 AS SIGNED) AS has_amount, CAST(due_at <= NOW(6) AS SIGNED) AS is_due,
        TIMESTAMPDIFF(MICROSECOND, due_at, NOW(6)) AS due_for, TIMESTAMPDIFF(MICROSECOND, created_at, NOW(6)) AS age
    FROM operations FORCE INDEX (operations_due)
    WHERE due_at IS NOT NULL
    ORDER BY due_at
    LIMIT ?
) AS unfinished
GROUP BY operation_kind, state, currency, has_amount;

-- name: CountForeignOperations :one
-- CountForeignOperations is CountForeign for operations.
SELECT COUNT(*)
FROM (
    SELECT 1 AS waits
    FROM operations FORCE INDEX (operations_due)
    WHERE due_at IS NOT NULL AND gateway NOT IN (sqlc.slice(gateways))
    LIMIT ?
) AS waiting;

-- name: ListHeldOperations :many
-- ListHeldOperations returns the orders whose operations a replica has claimed.
SELECT order_id
FROM operations
WHERE replica = ? AND state = 'processing' AND due_at > NOW(6)
LIMIT ?;

-- name: ReleaseOperations :exec
-- ReleaseOperations is ReleasePayments for operations.
UPDATE operations
SET due_at = NOW(6)
WHERE order_id IN (sqlc.slice(order_ids)) AND replica = ? AND state = 'processing' AND due_at > NOW(6);
