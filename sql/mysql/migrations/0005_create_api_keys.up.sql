-- The API keys, of which only the hashes are stored. Rows are inserted and revoked, and never deleted.
--
-- active_name is the name while the key is active, and NULL when it is revoked, so that the name is
-- unique among the active keys only.
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
