-- name: SearchOrders :many
SELECT order_id
FROM payments
WHERE order_id >= sqlc.arg(first) AND order_id < sqlc.arg(beyond)
ORDER BY order_id
LIMIT ?;

-- name: SearchOperations :many
SELECT order_id, operation_kind, operation_name
FROM operations
WHERE operation_name = sqlc.arg(operation_name)
ORDER BY order_id, operation_kind
LIMIT ?;

-- name: SearchKeyRecords :many
SELECT order_id
FROM gateway_keys
WHERE gateway_key = sqlc.arg(gateway_key)
ORDER BY order_id
LIMIT ?;

-- name: ListKeysOfCreated :many
-- ListKeysOfCreated reads the current keys of payments in the order of the index payments_created. MariaDB reads the
-- whole index if the bounds are parameters without a cast.
SELECT order_id, gateway_key
FROM payments
WHERE created_at >= CAST(sqlc.arg(created_from) AS DATETIME(6))
    AND created_at < CAST(sqlc.arg(created_before) AS DATETIME(6))
ORDER BY created_at, order_id
LIMIT ?;
