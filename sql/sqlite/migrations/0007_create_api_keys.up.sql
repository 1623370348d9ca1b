-- The API keys, of which only the hashes are stored. Rows are inserted and revoked, and never deleted.
--
-- active_name is the name while the key is active, and NULL when it is revoked, so that the name is
-- unique among the active keys only.
CREATE TABLE api_keys (
    id           TEXT    NOT NULL PRIMARY KEY,
    name         TEXT    NOT NULL,
    active_name  TEXT    UNIQUE,
    scopes       TEXT    NOT NULL,
    hash         BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER,
    revoked_at   INTEGER
) STRICT, WITHOUT ROWID;
