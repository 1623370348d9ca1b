-- The events for the webhook endpoints.

-- name: LastOutboxSeq :one
-- LastOutboxSeq is called under the lock of the payment's row.
SELECT CAST(COALESCE(MAX(seq), 0) AS SIGNED) AS seq
FROM outbox
WHERE order_id = ?;

-- name: OutboxHeldMicros :one
-- OutboxHeldMicros returns for how long an earlier event of the order, which waits for its next attempt, holds the
-- next event; negative or 0 if none does.
SELECT CAST(COALESCE(MAX(TIMESTAMPDIFF(MICROSECOND, NOW(6), due_at)), 0) AS SIGNED) AS held
FROM outbox
WHERE order_id = sqlc.arg(order_id) AND endpoint_id = sqlc.arg(endpoint_id)
    AND outcome = '' AND leased = FALSE AND attempts > 0 AND holds = TRUE;

-- name: InsertDelivery :exec
INSERT INTO outbox (
    order_id, endpoint_id, seq, event_id, event_type, payload, outcome, fence, attempts, leased, holds,
    due_at, created_at, answer_status, answer_body, problem
) VALUES (
    sqlc.arg(order_id), sqlc.arg(endpoint_id), sqlc.arg(seq), sqlc.arg(event_id), sqlc.arg(event_type),
    sqlc.arg(payload), '', 0, 0, FALSE, TRUE,
    NOW(6) + INTERVAL CAST(sqlc.arg(held_micros) AS SIGNED) MICROSECOND, NOW(6), 0, '', ''
);

-- name: ListDueDeliveries :many
-- ListDueDeliveries also returns events that are due later than they can be, after the clock stepped back.
SELECT sqlc.embed(o), NOW(6) AS read_at
FROM outbox AS o
WHERE o.endpoint_id = sqlc.arg(endpoint_id) AND o.due_at IS NOT NULL
    AND (o.due_at <= NOW(6) OR o.due_at > NOW(6) + INTERVAL CAST(sqlc.arg(within_micros) AS SIGNED) MICROSECOND)
    AND NOT EXISTS (
        SELECT 1
        FROM outbox AS e
        WHERE e.order_id = o.order_id AND e.endpoint_id = o.endpoint_id AND e.seq < o.seq
            AND e.outcome = '' AND e.holds = TRUE
    )
ORDER BY o.due_at, o.seq
LIMIT ?;

-- name: ClaimDelivery :execrows
-- ClaimDelivery compares the fencing token that was read, so that no lock is held between two statements, and engines
-- without SKIP LOCKED are served as well.
UPDATE outbox
SET fence = fence + 1, attempts = attempts + 1, leased = TRUE,
    due_at = NOW(6) + INTERVAL CAST(sqlc.arg(lease_micros) AS SIGNED) MICROSECOND
WHERE order_id = sqlc.arg(order_id) AND endpoint_id = sqlc.arg(endpoint_id) AND seq = sqlc.arg(seq)
    AND fence = sqlc.arg(fence) AND outcome = '';

-- name: CompleteDelivery :execrows
-- CompleteDelivery stores no due time if due_in_micros is NULL.
UPDATE outbox
SET outcome = sqlc.arg(outcome), holds = sqlc.arg(holds), leased = FALSE,
    due_at = NOW(6) + INTERVAL CAST(sqlc.narg(due_in_micros) AS SIGNED) MICROSECOND, attempted_at = NOW(6),
    answer_status = sqlc.arg(answer_status), answer_body = sqlc.arg(answer_body), problem = sqlc.arg(problem)
WHERE order_id = sqlc.arg(order_id) AND endpoint_id = sqlc.arg(endpoint_id) AND seq = sqlc.arg(seq)
    AND fence = sqlc.arg(fence);

-- name: HoldDeliveries :exec
-- HoldDeliveries postpones the later events of an order.
UPDATE outbox
SET due_at = NOW(6) + INTERVAL CAST(sqlc.arg(due_in_micros) AS SIGNED) MICROSECOND
WHERE order_id = sqlc.arg(order_id) AND endpoint_id = sqlc.arg(endpoint_id) AND seq > sqlc.arg(seq)
    AND outcome = '' AND leased = FALSE
    AND due_at < NOW(6) + INTERVAL CAST(sqlc.arg(held_micros) AS SIGNED) MICROSECOND;

-- name: ListDeliveries :many
SELECT sqlc.embed(outbox), NOW(6) AS read_at
FROM outbox
WHERE endpoint_id = sqlc.arg(endpoint_id) AND seq <= sqlc.arg(before_seq)
    AND (seq < sqlc.arg(seq_before) OR order_id < sqlc.arg(before_order)) AND (outcome = sqlc.arg(outcome) OR CAST(sqlc.arg(any_outcome) AS SIGNED) = 1)
ORDER BY seq DESC, order_id DESC
LIMIT ?;

-- name: ListReplayable :many
SELECT order_id, seq
FROM outbox
WHERE endpoint_id = sqlc.arg(endpoint_id) AND seq >= sqlc.arg(from_seq) AND seq <= sqlc.arg(to_seq)
    AND (event_id = sqlc.arg(event_id) OR CAST(sqlc.arg(any_event) AS SIGNED) = 1) AND (outcome <> 'delivered' OR CAST(sqlc.arg(any_outcome) AS SIGNED) = 1)
ORDER BY seq
LIMIT ?;

-- name: ReplayDeliveries :exec
UPDATE outbox
SET outcome = '', fence = fence + 1, attempts = 0, leased = FALSE, holds = TRUE, due_at = NOW(6)
WHERE endpoint_id = sqlc.arg(endpoint_id) AND seq >= sqlc.arg(from_seq) AND seq <= sqlc.arg(to_seq)
    AND (outcome <> 'delivered' OR CAST(sqlc.arg(any_outcome) AS SIGNED) = 1) AND order_id IN (sqlc.slice(orders));

-- name: ListPrunable :many
SELECT order_id, seq
FROM outbox
WHERE endpoint_id = sqlc.arg(endpoint_id) AND seq < sqlc.arg(before_seq)
ORDER BY seq
LIMIT ?;

-- name: DeleteDeliveries :execrows
DELETE FROM outbox
WHERE endpoint_id = sqlc.arg(endpoint_id) AND seq <= sqlc.arg(to_seq) AND order_id IN (sqlc.slice(orders));

-- name: CountWaitingDeliveries :one
-- CountWaitingDeliveries calculates ages in the inner query; see Backlog.
SELECT COUNT(*) AS deliveries, CAST(COALESCE(MAX(age), 0) AS SIGNED) AS oldest_micros
FROM (
    SELECT TIMESTAMPDIFF(MICROSECOND, created_at, NOW(6)) AS age
    FROM outbox
    WHERE endpoint_id = sqlc.arg(endpoint_id) AND due_at IS NOT NULL
    ORDER BY due_at
    LIMIT ?
) AS w;

-- name: ListDelayedDeliveries :many
SELECT order_id
FROM outbox
WHERE endpoint_id = ? AND due_at > NOW(6) AND leased = FALSE
ORDER BY due_at
LIMIT ?;

-- name: HastenDeliveries :exec
UPDATE outbox
SET due_at = NOW(6)
WHERE endpoint_id = sqlc.arg(endpoint_id) AND due_at > NOW(6) AND leased = FALSE AND order_id IN (sqlc.slice(orders));
