-- Not a migration: golang-migrate makes this table itself. It stands here so that sqlc
-- knows it.
CREATE TABLE schema_migrations (
    version BIGINT  NOT NULL,
    dirty   BOOLEAN NOT NULL,

    PRIMARY KEY (version)
);
