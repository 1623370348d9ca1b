-- The API keys, of which the hashes alone are stored. Rows are added and revoked, and never
-- deleted.
--
-- active_name is the name while the key is active, and NULL when it is revoked: the name is
-- unique among the active keys, as NULLs are equal to nothing.
CREATE TABLE api_keys (
    id           CHAR(12)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    name         VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    active_name  VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
    scopes       VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    hash         BINARY(32)  NOT NULL,
    created_at   DATETIME(6) NOT NULL,
    last_used_at DATETIME(6) NULL,
    revoked_at   DATETIME(6) NULL,

    PRIMARY KEY (id),
    UNIQUE KEY api_keys_hash (hash),
    UNIQUE KEY api_keys_active_name (active_name)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
