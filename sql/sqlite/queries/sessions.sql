-- name: DeleteExpiredSessions :exec
DELETE FROM console_sessions
WHERE expires_at <= sqlc.arg(now);

-- name: CountSessions :one
SELECT COUNT(*)
FROM console_sessions;

-- name: InsertSession :exec
INSERT INTO console_sessions (token_hash, key_id, created_at, expires_at)
VALUES (sqlc.arg(token_hash), sqlc.arg(key_id), sqlc.arg(created_at), sqlc.arg(expires_at))
ON CONFLICT DO NOTHING;

-- name: FindSession :one
SELECT key_id, expires_at
FROM console_sessions
WHERE token_hash = sqlc.arg(token_hash) AND expires_at > sqlc.arg(now);

-- name: DeleteSession :exec
DELETE FROM console_sessions
WHERE token_hash = sqlc.arg(token_hash);
