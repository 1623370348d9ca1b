-- name: SchemaVersion :one
SELECT version, dirty
FROM schema_migrations
LIMIT 1;

-- name: DeleteSchemaVersion :exec
DELETE FROM schema_migrations;

-- name: InsertSchemaVersion :exec
INSERT INTO schema_migrations (version, dirty)
VALUES (?, ?);
