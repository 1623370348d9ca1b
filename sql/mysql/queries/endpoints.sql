-- name: InsertEndpoint :exec
INSERT INTO endpoints (id, url, patterns, endpoint_state, secret, previous_secret, created_at, changed_at)
VALUES (?, ?, ?, ?, ?, '', NOW(6), NOW(6));

-- name: CountEndpoints :one
SELECT COUNT(*)
FROM endpoints
WHERE endpoint_state <> 'deleted';

-- name: FindEndpoint :one
SELECT sqlc.embed(endpoints), NOW(6) AS read_at
FROM endpoints
WHERE id = ?;

-- name: LockEndpoint :one
SELECT sqlc.embed(endpoints), SYSDATE(6) AS read_at
FROM endpoints
WHERE id = ?
FOR UPDATE;

-- name: ListEndpoints :many
SELECT sqlc.embed(endpoints), NOW(6) AS read_at
FROM endpoints
WHERE endpoint_state <> 'deleted'
ORDER BY created_at, id
LIMIT ?;

-- name: ListDeletedEndpoints :many
SELECT id
FROM endpoints
WHERE endpoint_state = 'deleted'
ORDER BY changed_at DESC, id
LIMIT ?;

-- name: UpdateEndpoint :exec
UPDATE endpoints
SET endpoint_state = ?, secret = ?, previous_secret = ?, previous_until = ?, failing_since = ?, changed_at = ?
WHERE id = ?;
