-- The events for the webhook endpoints.

-- name: LastOutboxSeq :one
SELECT CAST(COALESCE(MAX(seq), 0) AS INTEGER) AS seq
FROM outbox
WHERE order_id = ?;

-- name: OutboxHeldUntil :one
-- OutboxHeldUntil returns until when an earlier event of the order, which waits for its next attempt, holds the next
-- event; 0 if none does.
SELECT CAST(COALESCE(MAX(due_at), 0) AS INTEGER) AS held
FROM outbox
WHERE order_id = sqlc.arg(order_id) AND endpoint_id = sqlc.arg(endpoint_id)
    AND outcome = '' AND leased = 0 AND attempts > 0 AND holds = 1;

-- name: InsertDelivery :exec
INSERT INTO outbox (
    order_id, endpoint_id, seq, event_id, event_type, payload, outcome, fence, attempts, leased, holds,
    due_at, created_at, answer_status, answer_body, problem
) VALUES (?, ?, ?, ?, ?, ?, '', 0, 0, 0, 1, ?, ?, 0, '', '');

-- name: ListDueDeliveries :many
-- ListDueDeliveries also returns events that are due later than they can be, after the clock stepped back.
SELECT sqlc.embed(o)
FROM outbox AS o
WHERE o.endpoint_id = sqlc.arg(endpoint_id) AND o.due_at IS NOT NULL
    AND (o.due_at <= sqlc.arg(now) OR o.due_at > sqlc.arg(due_before))
    AND NOT EXISTS (
        SELECT 1
        FROM outbox AS e
        WHERE e.order_id = o.order_id AND e.endpoint_id = o.endpoint_id AND e.seq < o.seq
            AND e.outcome = '' AND e.holds = 1
    )
ORDER BY o.due_at, o.seq
LIMIT sqlc.arg(page_limit);

-- name: ClaimDelivery :execrows
UPDATE outbox
SET fence = fence + 1, attempts = attempts + 1, leased = 1, due_at = sqlc.arg(due_at)
WHERE order_id = sqlc.arg(order_id) AND endpoint_id = sqlc.arg(endpoint_id) AND seq = sqlc.arg(seq)
    AND fence = sqlc.arg(fence) AND outcome = '';

-- name: CompleteDelivery :execrows
UPDATE outbox
SET outcome = sqlc.arg(outcome), holds = sqlc.arg(holds), leased = 0, due_at = sqlc.arg(due_at), attempted_at = sqlc.arg(now),
    answer_status = sqlc.arg(answer_status), answer_body = sqlc.arg(answer_body), problem = sqlc.arg(problem)
WHERE order_id = sqlc.arg(order_id) AND endpoint_id = sqlc.arg(endpoint_id) AND seq = sqlc.arg(seq)
    AND fence = sqlc.arg(fence);

-- name: HoldDeliveries :exec
-- HoldDeliveries postpones the later events of an order.
UPDATE outbox
SET due_at = sqlc.arg(due_at)
WHERE order_id = sqlc.arg(order_id) AND endpoint_id = sqlc.arg(endpoint_id) AND seq > sqlc.arg(seq)
    AND outcome = '' AND leased = 0 AND due_at < sqlc.arg(due_at);

-- name: ListDeliveries :many
SELECT sqlc.embed(outbox)
FROM outbox
WHERE endpoint_id = sqlc.arg(endpoint_id) AND seq <= sqlc.arg(before_seq)
    AND (seq < sqlc.arg(before_seq) OR order_id < sqlc.arg(before_order)) AND (outcome = sqlc.arg(outcome) OR CAST(sqlc.arg(any_outcome) AS INTEGER) = 1)
ORDER BY seq DESC, order_id DESC
LIMIT sqlc.arg(page_limit);

-- name: ListReplayable :many
SELECT order_id, seq
FROM outbox
WHERE endpoint_id = sqlc.arg(endpoint_id) AND seq >= sqlc.arg(from_seq) AND seq <= sqlc.arg(to_seq)
    AND (event_id = sqlc.arg(event_id) OR CAST(sqlc.arg(any_event) AS INTEGER) = 1) AND (outcome <> 'delivered' OR CAST(sqlc.arg(any_outcome) AS INTEGER) = 1)
ORDER BY seq
LIMIT sqlc.arg(page_limit);

-- name: ReplayDelivery :exec
UPDATE outbox
SET outcome = '', fence = fence + 1, attempts = 0, leased = 0, holds = 1, due_at = sqlc.arg(now)
WHERE order_id = sqlc.arg(order_id) AND endpoint_id = sqlc.arg(endpoint_id) AND seq = sqlc.arg(seq);

-- name: ListPrunable :many
SELECT order_id, seq
FROM outbox
WHERE endpoint_id = sqlc.arg(endpoint_id) AND seq < sqlc.arg(before_seq)
ORDER BY seq
LIMIT sqlc.arg(page_limit);

-- name: DeleteDelivery :exec
DELETE FROM outbox
WHERE order_id = sqlc.arg(order_id) AND endpoint_id = sqlc.arg(endpoint_id) AND seq = sqlc.arg(seq);

-- name: CountWaitingDeliveries :one
SELECT COUNT(*) AS deliveries, CAST(COALESCE(MIN(w.created_at), 0) AS INTEGER) AS oldest
FROM (
    SELECT created_at
    FROM outbox
    WHERE endpoint_id = sqlc.arg(endpoint_id) AND due_at IS NOT NULL
    ORDER BY due_at
    LIMIT sqlc.arg(max_rows)
) AS w;

-- name: HastenDeliveries :execrows
UPDATE outbox
SET due_at = sqlc.arg(now)
WHERE rowid IN (
    SELECT d.rowid
    FROM outbox AS d
    WHERE d.endpoint_id = sqlc.arg(endpoint_id) AND d.due_at > sqlc.arg(now) AND d.leased = 0
    ORDER BY d.due_at
    LIMIT sqlc.arg(page_limit)
);
