-- The log of the attempts to deliver events.

-- name: LogDeliveryAttempt :exec
-- LogDeliveryAttempt replaces the attempt that has the slot.
INSERT INTO delivery_attempts (
    order_id, endpoint_id, seq, slot, fence, event_type, ended_at, duration_micros, answer_status, answer_body, problem
) VALUES (?, ?, ?, ?, ?, ?, NOW(6), ?, ?, ?, ?)
ON DUPLICATE KEY UPDATE
    fence = VALUES(fence), event_type = VALUES(event_type), ended_at = VALUES(ended_at),
    duration_micros = VALUES(duration_micros), answer_status = VALUES(answer_status),
    answer_body = VALUES(answer_body), problem = VALUES(problem);

-- name: ListDeliveryAttempts :many
SELECT sqlc.embed(delivery_attempts)
FROM delivery_attempts
WHERE endpoint_id = sqlc.arg(endpoint_id) AND ended_at <= sqlc.arg(before_ended)
    AND (
        ended_at < sqlc.arg(ended_before) OR order_id < sqlc.arg(order_before)
        OR (order_id = sqlc.arg(before_order) AND seq < sqlc.arg(before_seq))
    )
ORDER BY ended_at DESC, order_id DESC, seq DESC
LIMIT ?;

-- name: ListAttemptsOfEvent :many
-- ListAttemptsOfEvent finds the order of the event in the outbox.
SELECT sqlc.embed(a)
FROM outbox AS o
JOIN delivery_attempts AS a ON a.order_id = o.order_id AND a.endpoint_id = o.endpoint_id AND a.seq = o.seq
WHERE o.endpoint_id = sqlc.arg(endpoint_id) AND o.seq = sqlc.arg(seq) AND o.event_id = sqlc.arg(event_id)
ORDER BY a.fence DESC
LIMIT ?;

-- name: DeleteAttemptsOfEvents :exec
DELETE FROM delivery_attempts
WHERE endpoint_id = sqlc.arg(endpoint_id) AND seq <= sqlc.arg(to_seq) AND order_id IN (sqlc.slice(orders));

-- name: ListOldAttempts :many
SELECT order_id
FROM delivery_attempts
WHERE endpoint_id = sqlc.arg(endpoint_id) AND ended_at < sqlc.arg(ended_before)
ORDER BY ended_at
LIMIT ?;

-- name: DeleteOldAttempts :exec
DELETE FROM delivery_attempts
WHERE endpoint_id = sqlc.arg(endpoint_id) AND ended_at < sqlc.arg(ended_before) AND order_id IN (sqlc.slice(orders));
