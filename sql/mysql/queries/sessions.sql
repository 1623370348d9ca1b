-- name: DeleteExpiredSessions :exec
DELETE FROM console_sessions
WHERE expires_at <= NOW(6);

-- name: CountSessions :one
SELECT COUNT(*)
FROM console_sessions;

-- name: InsertSession :exec
INSERT INTO console_sessions (token_hash, key_id, created_at, expires_at)
VALUES (
    sqlc.arg(token_hash), sqlc.arg(key_id), NOW(6),
    NOW(6) + INTERVAL CAST(sqlc.arg(lifetime_micros) AS SIGNED) MICROSECOND
);

-- name: FindSession :one
SELECT key_id, expires_at
FROM console_sessions
WHERE token_hash = sqlc.arg(token_hash) AND expires_at > NOW(6);

-- name: DeleteSession :exec
DELETE FROM console_sessions
WHERE token_hash = sqlc.arg(token_hash);
