-- name: InsertAct :exec
INSERT INTO admin_history (act_id, acted_at, actor, act_kind, act_subject, fields_before, fields_after)
VALUES (
    sqlc.arg(act_id), NOW(6), sqlc.arg(actor), sqlc.arg(act_kind), sqlc.arg(act_subject), sqlc.arg(fields_before), sqlc.arg(fields_after)
);

-- name: ListActs :many
-- MariaDB reads the whole index if the bounds are parameters without a cast.
SELECT *
FROM admin_history
WHERE acted_at <= CAST(sqlc.arg(before) AS DATETIME(6)) AND (acted_at < CAST(sqlc.arg(before) AS DATETIME(6)) OR act_id < sqlc.arg(before_id))
ORDER BY acted_at DESC, act_id DESC
LIMIT ?;

-- name: ListActsOf :many
SELECT *
FROM admin_history
WHERE act_subject = sqlc.arg(act_subject) AND acted_at <= CAST(sqlc.arg(before) AS DATETIME(6))
    AND (acted_at < CAST(sqlc.arg(before) AS DATETIME(6)) OR act_id < sqlc.arg(before_id))
ORDER BY acted_at DESC, act_id DESC
LIMIT ?;
