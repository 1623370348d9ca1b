-- The webhook endpoints. Rows are never deleted; a deleted endpoint loses its secrets. The secrets are stored as
-- they are, because each delivery is signed with them.
--
-- patterns are the types of the endpoint's events, separated by commas.
CREATE TABLE endpoints (
    id              TEXT    NOT NULL,
    url             TEXT    NOT NULL,
    patterns        TEXT    NOT NULL,
    endpoint_state  TEXT    NOT NULL,
    secret          TEXT    NOT NULL,
    previous_secret TEXT    NOT NULL,
    previous_until  INTEGER,
    failing_since   INTEGER,
    created_at      INTEGER NOT NULL,
    changed_at      INTEGER NOT NULL,

    PRIMARY KEY (id)
) STRICT;
