-- Who is signed in to the console. token_hash is the SHA-256 of the random token in the cookie. Expired rows are
-- deleted when a session is created. The previous version does not read this table.
CREATE TABLE console_sessions (
    token_hash BINARY(32)  NOT NULL,
    key_id     VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at DATETIME(6) NOT NULL,
    expires_at DATETIME(6) NOT NULL,

    PRIMARY KEY (token_hash),
    KEY console_sessions_expires (expires_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
