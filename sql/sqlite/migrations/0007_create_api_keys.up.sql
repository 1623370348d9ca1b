-- The API keys, of which the hashes alone are stored. Rows are added and revoked, and never
-- deleted.
--
-- active_name is the name while the key is active, and NULL when it is revoked: the name is
-- unique among the active keys, as NULLs are equal to nothing.
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
