-- name: InsertAct :exec
INSERT INTO admin_history (act_id, acted_at, actor, act_kind, act_subject, fields_before, fields_after)
VALUES (
    sqlc.arg(act_id), sqlc.arg(now), sqlc.arg(actor), sqlc.arg(act_kind), sqlc.arg(act_subject), sqlc.arg(fields_before), sqlc.arg(fields_after)
)
ON CONFLICT DO NOTHING;

-- name: ListActs :many
SELECT *
FROM admin_history
WHERE acted_at <= sqlc.arg(before) AND (acted_at < sqlc.arg(before) OR act_id < sqlc.arg(before_id))
ORDER BY acted_at DESC, act_id DESC
LIMIT sqlc.arg(max_rows);

-- name: ListActsOf :many
SELECT *
FROM admin_history
WHERE act_subject = sqlc.arg(act_subject) AND acted_at <= sqlc.arg(before)
    AND (acted_at < sqlc.arg(before) OR act_id < sqlc.arg(before_id))
ORDER BY acted_at DESC, act_id DESC
LIMIT sqlc.arg(max_rows);
