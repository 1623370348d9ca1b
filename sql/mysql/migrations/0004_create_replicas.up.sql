-- The replicas that are alive, or have stopped and are not released yet.
CREATE TABLE replicas (
    name       VARCHAR(255) NOT NULL,
    started_at DATETIME(6)  NOT NULL,
    beat_at    DATETIME(6)  NOT NULL,

    PRIMARY KEY (name)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
