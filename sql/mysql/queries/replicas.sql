-- name: Beat :exec
INSERT INTO replicas (name, started_at, beat_at)
VALUES (?, NOW(6), NOW(6))
ON DUPLICATE KEY UPDATE beat_at = NOW(6);

-- name: ListSilentReplicas :many
-- ListSilentReplicas leaves out the one that asks: it is alive, however long ago its beat is.
SELECT name
FROM replicas
WHERE name <> sqlc.arg(asking)
    AND beat_at < NOW(6) - INTERVAL CAST(sqlc.arg(timeout_micros) AS SIGNED) MICROSECOND
ORDER BY name;

-- name: ListHeldPayments :many
SELECT order_id
FROM payments
WHERE replica = ? AND state = 'processing' AND due_at > NOW(6)
LIMIT ?;

-- name: ReleasePayments :exec
-- ReleasePayments lets the leases of a silent replica run out, those that it still holds.
UPDATE payments
SET due_at = NOW(6)
WHERE order_id IN (sqlc.slice(order_ids)) AND replica = ? AND state = 'processing' AND due_at > NOW(6);

-- name: DeleteSilentReplica :execrows
DELETE FROM replicas
WHERE name = ? AND beat_at < NOW(6) - INTERVAL CAST(sqlc.arg(timeout_micros) AS SIGNED) MICROSECOND;

-- name: DeleteReplica :exec
DELETE FROM replicas
WHERE name = ?;

-- name: CountReplicas :one
SELECT COUNT(*)
FROM replicas;
