-- name: InsertKey :exec
INSERT INTO api_keys (
    id, name, active_name, scopes, hash, created_at, expires_at, order_prefixes, gateways, created_by
) VALUES (
    sqlc.arg(id), sqlc.arg(name), sqlc.arg(active_name), sqlc.arg(scopes), sqlc.arg(hash), NOW(6),
    sqlc.narg(expires_at), sqlc.arg(order_prefixes), sqlc.arg(gateways), sqlc.arg(created_by)
);

-- name: CountActiveKeys :one
SELECT COUNT(*)
FROM api_keys
WHERE active_name IS NOT NULL AND (expires_at IS NULL OR expires_at > NOW(6) - INTERVAL CAST(sqlc.arg(kept_micros) AS SIGNED) MICROSECOND);

-- name: FindKey :one
-- FindKey prefers an active key if several have had the name, and of those the one that has it now.
SELECT sqlc.embed(api_keys)
FROM api_keys
WHERE id = sqlc.arg(id) OR name = sqlc.arg(name)
ORDER BY active_name IS NULL, active_name <> name, created_at DESC
LIMIT 1;

-- name: RevokeKey :execrows
UPDATE api_keys
SET active_name = NULL, revoked_at = NOW(6), revoked_by = sqlc.arg(revoked_by)
WHERE id = sqlc.arg(id) AND active_name IS NOT NULL;

-- name: LockKey :one
-- LockKey locks a key, and returns the time of the database's clock.
SELECT sqlc.embed(api_keys), NOW(6) AS read_at
FROM api_keys
WHERE id = ?
FOR UPDATE;

-- name: SupersedeKey :exec
-- SupersedeKey frees the name of a rotated key, which stays active until it expires. No name looks like an id.
UPDATE api_keys
SET active_name = id, expires_at = sqlc.arg(expires_at), scopes = sqlc.arg(scopes)
WHERE id = sqlc.arg(id);

-- name: ListKeys :many
SELECT sqlc.embed(api_keys)
FROM api_keys
ORDER BY created_at DESC, id
LIMIT ?;

-- name: ListActiveKeys :many
SELECT sqlc.embed(api_keys)
FROM api_keys
WHERE active_name IS NOT NULL AND (expires_at IS NULL OR expires_at > NOW(6) - INTERVAL CAST(sqlc.arg(kept_micros) AS SIGNED) MICROSECOND);

-- name: AnyKey :one
SELECT EXISTS (SELECT 1 FROM api_keys);

-- name: NoteKeysUsed :exec
UPDATE api_keys
SET last_used_at = NOW(6)
WHERE id IN (sqlc.slice(ids)) AND (
    last_used_at IS NULL
    OR last_used_at < NOW(6) - INTERVAL CAST(sqlc.arg(resolution_micros) AS SIGNED) MICROSECOND
);
