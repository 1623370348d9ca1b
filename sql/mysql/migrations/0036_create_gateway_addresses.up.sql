-- One row per gateway whose identity is a name: the system that its keys were sent to. The start compares it with the
-- settings. The previous version neither reads nor writes this table.
CREATE TABLE gateway_addresses (
    gateway    VARBINARY(255) NOT NULL,
    address    VARCHAR(512)   NOT NULL,
    changed_at DATETIME(6)    NOT NULL,

    PRIMARY KEY (gateway)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
