-- What people have done with API keys and webhook endpoints. Rows are never deleted, as keys and endpoints are not.
-- act_subject is the id of a key or an endpoint; fields_before and fields_after are JSON objects, without secrets.
-- The previous version neither reads nor writes this table.
CREATE TABLE admin_history (
    act_id        TEXT    NOT NULL PRIMARY KEY,
    acted_at      INTEGER NOT NULL,
    actor         TEXT    NOT NULL,
    act_kind      TEXT    NOT NULL,
    act_subject   TEXT    NOT NULL,
    fields_before BLOB    NOT NULL,
    fields_after  BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX admin_history_acted ON admin_history (acted_at, act_id);
CREATE INDEX admin_history_subject ON admin_history (act_subject, acted_at, act_id);
