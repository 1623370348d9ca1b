-- name: InsertKey :exec
INSERT INTO api_keys (id, name, active_name, scopes, hash, created_at)
VALUES (sqlc.arg(id), sqlc.arg(name), sqlc.arg(active_name), sqlc.arg(scopes), sqlc.arg(hash), NOW(6));

-- name: CountActiveKeys :one
SELECT COUNT(*)
FROM api_keys
WHERE active_name IS NOT NULL;

-- name: FindKey :one
-- FindKey prefers the active key if several have had the name.
SELECT sqlc.embed(api_keys)
FROM api_keys
WHERE id = sqlc.arg(id) OR name = sqlc.arg(name)
ORDER BY active_name IS NULL, created_at DESC
LIMIT 1;

-- name: RevokeKey :execrows
UPDATE api_keys
SET active_name = NULL, revoked_at = NOW(6)
WHERE id = ? AND active_name IS NOT NULL;

-- name: ListKeys :many
SELECT sqlc.embed(api_keys)
FROM api_keys
ORDER BY created_at DESC, id
LIMIT ?;

-- name: ListActiveKeys :many
SELECT sqlc.embed(api_keys)
FROM api_keys
WHERE active_name IS NOT NULL;

-- name: AnyKey :one
SELECT EXISTS (SELECT 1 FROM api_keys);

-- name: NoteKeysUsed :exec
UPDATE api_keys
SET last_used_at = NOW(6)
WHERE id IN (sqlc.slice(ids)) AND (
    last_used_at IS NULL
    OR last_used_at < NOW(6) - INTERVAL CAST(sqlc.arg(resolution_micros) AS SIGNED) MICROSECOND
);
