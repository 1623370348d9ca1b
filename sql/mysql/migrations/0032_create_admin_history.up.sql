-- What people have done with API keys and webhook endpoints. Rows are never deleted, as keys and endpoints are not.
-- act_subject is the id of a key or an endpoint; fields_before and fields_after are JSON objects, without secrets.
-- The previous version neither reads nor writes this table.
CREATE TABLE admin_history (
    act_id        VARCHAR(32)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    acted_at      DATETIME(6)    NOT NULL,
    actor         VARBINARY(255) NOT NULL,
    act_kind      VARCHAR(32)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    act_subject   VARCHAR(64)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    fields_before BLOB           NOT NULL,
    fields_after  BLOB           NOT NULL,

    PRIMARY KEY (act_id),
    KEY admin_history_acted (acted_at, act_id),
    KEY admin_history_subject (act_subject, acted_at, act_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
