-- One row per gateway whose identity is a name: the system that its keys were sent to. The start compares it with the
-- settings. The previous version neither reads nor writes this table.
CREATE TABLE gateway_addresses (
    gateway    TEXT    NOT NULL PRIMARY KEY,
    address    TEXT    NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
