-- name: SchemaVersion :one
-- SchemaVersion also returns what names the server's engine.
SELECT version, dirty, CONCAT(@@version_comment) AS version_comment
FROM schema_migrations
LIMIT 1;
