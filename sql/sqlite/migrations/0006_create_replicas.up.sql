-- The replicas that are alive, or have stopped and are not released yet.
CREATE TABLE replicas (
    name       TEXT    NOT NULL PRIMARY KEY,
    started_at INTEGER NOT NULL,
    beat_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
