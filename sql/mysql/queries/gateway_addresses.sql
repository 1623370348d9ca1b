-- name: FindGatewayAddress :one
SELECT address
FROM gateway_addresses
WHERE gateway = ?;

-- name: InsertGatewayAddress :exec
INSERT INTO gateway_addresses (gateway, address, changed_at)
VALUES (sqlc.arg(gateway), sqlc.arg(address), NOW(6));

-- name: ReplaceGatewayAddress :exec
UPDATE gateway_addresses
SET address = sqlc.arg(address), changed_at = NOW(6)
WHERE gateway = sqlc.arg(gateway) AND address = sqlc.arg(replaced);

-- name: CountOpenPayments :one
-- CountOpenPayments leaves out payments that are scheduled and not in doubt, which another gateway may charge as well.
SELECT COUNT(*)
FROM (
    SELECT 1 AS waits
    FROM payments FORCE INDEX (payments_due)
    WHERE due_at IS NOT NULL AND gateway = sqlc.arg(gateway)
        AND NOT (state = 'scheduled' AND doubt_answered = FALSE AND doubt_named = FALSE AND doubt_unanswered_at IS NULL)
    LIMIT ?
) AS waiting;

-- name: CountOpenGatewayKeys :one
SELECT COUNT(*)
FROM (
    SELECT 1 AS waits
    FROM gateway_keys
    WHERE due_at IS NOT NULL AND gateway = sqlc.arg(gateway)
    LIMIT ?
) AS waiting;

-- name: CountOpenOperations :one
SELECT COUNT(*)
FROM (
    SELECT 1 AS waits
    FROM operations FORCE INDEX (operations_due)
    WHERE due_at IS NOT NULL AND gateway = sqlc.arg(gateway)
    LIMIT ?
) AS waiting;

-- name: CountOpenOperationKeys :one
SELECT COUNT(*)
FROM (
    SELECT 1 AS waits
    FROM operation_keys
    WHERE due_at IS NOT NULL AND gateway = sqlc.arg(gateway)
    LIMIT ?
) AS waiting;
