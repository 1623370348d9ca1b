-- name: InsertEndpoint :exec
INSERT INTO endpoints (id, url, patterns, endpoint_state, secret, previous_secret, created_at, changed_at)
VALUES (sqlc.arg(id), sqlc.arg(url), sqlc.arg(patterns), sqlc.arg(endpoint_state), sqlc.arg(secret), '', sqlc.arg(now), sqlc.arg(now));

-- name: CountEndpoints :one
SELECT COUNT(*)
FROM endpoints
WHERE endpoint_state <> 'deleted';

-- name: FindEndpoint :one
SELECT sqlc.embed(endpoints)
FROM endpoints
WHERE id = ?;

-- name: ListEndpoints :many
SELECT sqlc.embed(endpoints)
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
