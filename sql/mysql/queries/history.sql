-- name: InsertAttempt :exec
INSERT INTO attempts (
    order_id, number, fence, replica, gateway_key, started_at, ended_at, class, code, message
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: ListAttempts :many
SELECT order_id, number, fence, replica, gateway_key, started_at, ended_at, class, code, message
FROM attempts
WHERE order_id = ? AND number < sqlc.arg(before_number)
ORDER BY number;

-- name: InsertEvent :exec
INSERT INTO events (
    order_id, number, kind, at, replica, fence, detail
) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: ListEvents :many
SELECT order_id, number, kind, at, replica, fence, detail
FROM events
WHERE order_id = ? AND number <= sqlc.arg(last_number)
ORDER BY number;

-- name: ListWithAttempts :many
SELECT order_id
FROM attempts
WHERE order_id > sqlc.arg(after)
GROUP BY order_id
ORDER BY order_id
LIMIT ?;

-- name: ListWithEvents :many
-- ListWithEvents leaves out orders whose only event says that their history is archived.
SELECT order_id
FROM events
WHERE order_id > sqlc.arg(after) AND kind <> 'archived'
GROUP BY order_id
ORDER BY order_id
LIMIT ?;

-- name: DeleteAttempts :exec
DELETE FROM attempts
WHERE order_id = ? AND number < sqlc.arg(before_number);

-- name: DeleteEvents :exec
DELETE FROM events
WHERE order_id = ? AND number <= sqlc.arg(last_number);
