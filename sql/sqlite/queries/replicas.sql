-- name: Heartbeat :exec
INSERT INTO replicas (name, started_at, beat_at)
VALUES (sqlc.arg(name), sqlc.arg(now), sqlc.arg(now))
ON CONFLICT (name) DO UPDATE SET beat_at = excluded.beat_at;

-- name: ListHeartbeats :many
-- ListHeartbeats excludes the replica that asks.
SELECT
    name,
    beat_at
FROM replicas
WHERE name <> sqlc.arg(asking)
ORDER BY name;

-- name: DeleteExpiredReplica :execrows
DELETE FROM replicas
WHERE name = ? AND beat_at = ?;

-- name: ReleasePayments :exec
-- ReleasePayments ends the leases of an expired replica.
UPDATE payments
SET due_at = sqlc.arg(now)
WHERE replica = sqlc.arg(replica) AND state = 'processing' AND due_at > sqlc.arg(now);

-- name: DeleteReplica :exec
DELETE FROM replicas
WHERE name = ?;

-- name: CountReplicas :one
SELECT COUNT(*)
FROM replicas;
