-- Who is signed in to the console. token_hash is the SHA-256 of the random token in the cookie. Expired rows are
-- deleted when a session is created. The previous version does not read this table.
CREATE TABLE console_sessions (
    token_hash BLOB    NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
    key_id     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX console_sessions_expires ON console_sessions (expires_at);
