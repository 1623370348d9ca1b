-- The webhook endpoints. Rows are never deleted; a deleted endpoint loses its secrets. The secrets are stored as
-- they are, because each delivery is signed with them.
--
-- patterns are the types of the endpoint's events, separated by commas.
CREATE TABLE endpoints (
    id              VARCHAR(32)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    url             VARBINARY(2000) NOT NULL,
    patterns        VARBINARY(4096) NOT NULL,
    endpoint_state  VARCHAR(16)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    secret          VARBINARY(128) NOT NULL,
    previous_secret VARBINARY(128) NOT NULL,
    previous_until  DATETIME(6)   NULL,
    failing_since   DATETIME(6)   NULL,
    created_at      DATETIME(6)   NOT NULL,
    changed_at      DATETIME(6)   NOT NULL,

    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
