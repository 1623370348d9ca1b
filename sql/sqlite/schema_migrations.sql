-- Not a migration: the migrator creates this table. It is here for sqlc.
CREATE TABLE schema_migrations (
    version INTEGER NOT NULL,
    dirty   INTEGER NOT NULL
);
