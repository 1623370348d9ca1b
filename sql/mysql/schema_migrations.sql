-- Not a migration: golang-migrate creates this table itself. It is here for sqlc.
CREATE TABLE schema_migrations (
    version BIGINT  NOT NULL,
    dirty   BOOLEAN NOT NULL,

    PRIMARY KEY (version)
);
