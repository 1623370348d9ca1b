-- The log of the attempts to deliver events.

-- name: LogDeliveryAttempt :exec
-- LogDeliveryAttempt replaces the attempt that has the slot.
INSERT OR REPLACE INTO delivery_attempts (
    order_id, endpoint_id, seq, slot, fence, event_type, ended_at, duration_micros, answer_status, answer_body, problem
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: ListDeliveryAttempts :many
SELECT sqlc.embed(delivery_attempts)
FROM delivery_attempts
WHERE endpoint_id = sqlc.arg(endpoint_id) AND ended_at <= sqlc.arg(before_ended)
    AND (
        ended_at < sqlc.arg(before_ended) OR order_id < sqlc.arg(before_order)
        OR (order_id = sqlc.arg(before_order) AND seq < sqlc.arg(before_seq))
    )
ORDER BY ended_at DESC, order_id DESC, seq DESC
LIMIT sqlc.arg(page_limit);

-- name: ListAttemptsOfEvent :many
-- ListAttemptsOfEvent finds the order of the event in the outbox.
SELECT sqlc.embed(a)
FROM outbox AS o
JOIN delivery_attempts AS a ON a.order_id = o.order_id AND a.endpoint_id = o.endpoint_id AND a.seq = o.seq
WHERE o.endpoint_id = sqlc.arg(endpoint_id) AND o.seq = sqlc.arg(seq) AND o.event_id = sqlc.arg(event_id)
ORDER BY a.fence DESC
LIMIT sqlc.arg(page_limit);

-- name: DeleteAttemptsOfEvent :exec
DELETE FROM delivery_attempts
WHERE order_id = sqlc.arg(order_id) AND endpoint_id = sqlc.arg(endpoint_id) AND seq = sqlc.arg(seq);

-- name: DeleteOldAttempts :exec
DELETE FROM delivery_attempts
WHERE rowid IN (
    SELECT d.rowid
    FROM delivery_attempts AS d
    WHERE d.endpoint_id = sqlc.arg(endpoint_id) AND d.ended_at < sqlc.arg(ended_before)
    ORDER BY d.ended_at
    LIMIT sqlc.arg(page_limit)
);
