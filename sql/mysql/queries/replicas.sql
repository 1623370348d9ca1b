-- name: Heartbeat :exec
INSERT INTO replicas (name, started_at, beat_at)
VALUES (?, NOW(6), NOW(6))
ON DUPLICATE KEY UPDATE beat_at = NOW(6);

-- name: ListHeartbeats :many
-- ListHeartbeats excludes the replica that asks. Ages are in microseconds.
SELECT
    name,
    beat_at,
    CAST(TIMESTAMPDIFF(MICROSECOND, beat_at, NOW(6)) AS SIGNED) AS age
FROM replicas
WHERE name <> sqlc.arg(asking)
ORDER BY name;

-- name: CountHeartbeats :one
-- CountHeartbeats is 1 if the replica's latest heartbeat is the given one, and otherwise 0.
SELECT COUNT(*)
FROM replicas
WHERE name = ? AND beat_at = ?;

-- name: ListHeldPayments :many
SELECT order_id
FROM payments
WHERE replica = ? AND state = 'processing' AND due_at > NOW(6)
LIMIT ?;

-- name: ReleasePayments :exec
-- ReleasePayments ends the leases that an expired replica still holds.
UPDATE payments
SET due_at = NOW(6)
WHERE order_id IN (sqlc.slice(order_ids)) AND replica = ? AND state = 'processing' AND due_at > NOW(6);

-- name: DeleteExpiredReplica :execrows
DELETE FROM replicas
WHERE name = ? AND beat_at = ?;

-- name: DeleteReplica :exec
DELETE FROM replicas
WHERE name = ?;

-- name: CountReplicas :one
SELECT COUNT(*)
FROM replicas;
