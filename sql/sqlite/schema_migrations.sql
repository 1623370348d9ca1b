-- Not a migration: whoever runs the migrations makes this table first. It stands here so that
-- sqlc knows it.
CREATE TABLE schema_migrations (
    version INTEGER NOT NULL,
    dirty   INTEGER NOT NULL
);
