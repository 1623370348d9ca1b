-- name: SchemaVersion :one
-- SchemaVersion also returns what names the server's engine.
SELECT version, dirty, CONCAT(@@version) AS server_version
FROM schema_migrations
LIMIT 1;
