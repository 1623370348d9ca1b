-- name: FindGatewayAddress :one
SELECT address
FROM gateway_addresses
WHERE gateway = sqlc.arg(gateway);

-- name: InsertGatewayAddress :exec
INSERT INTO gateway_addresses (gateway, address, changed_at)
VALUES (sqlc.arg(gateway), sqlc.arg(address), sqlc.arg(now))
ON CONFLICT DO NOTHING;

-- name: ReplaceGatewayAddress :exec
UPDATE gateway_addresses
SET address = sqlc.arg(address), changed_at = sqlc.arg(now)
WHERE gateway = sqlc.arg(gateway) AND address = sqlc.arg(replaced);

-- name: CountOpenPayments :one
-- CountOpenPayments leaves out payments that are scheduled and not in doubt, which another gateway may charge as well.
SELECT COUNT(*)
FROM (
    SELECT 1 AS waits
    FROM payments
    WHERE due_at IS NOT NULL AND gateway = sqlc.arg(gateway)
        AND NOT (state = 'scheduled' AND doubt_answered = 0 AND doubt_named = 0 AND doubt_unanswered_at IS NULL)
    LIMIT sqlc.arg(max_rows)
) AS waiting;

-- name: CountOpenGatewayKeys :one
SELECT COUNT(*)
FROM (
    SELECT 1 AS waits
    FROM gateway_keys
    WHERE due_at IS NOT NULL AND gateway = sqlc.arg(gateway)
    LIMIT sqlc.arg(max_rows)
) AS waiting;

-- name: CountOpenOperations :one
SELECT COUNT(*)
FROM (
    SELECT 1 AS waits
    FROM operations
    WHERE due_at IS NOT NULL AND gateway = sqlc.arg(gateway)
    LIMIT sqlc.arg(max_rows)
) AS waiting;

-- name: CountOpenOperationKeys :one
SELECT COUNT(*)
FROM (
    SELECT 1 AS waits
    FROM operation_keys
    WHERE due_at IS NOT NULL AND gateway = sqlc.arg(gateway)
    LIMIT sqlc.arg(max_rows)
) AS waiting;
