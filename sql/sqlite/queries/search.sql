-- name: SearchOrders :many
SELECT order_id
FROM payments
WHERE order_id >= sqlc.arg(first) AND order_id < sqlc.arg(beyond)
ORDER BY order_id
LIMIT sqlc.arg(page_limit);

-- name: SearchOperations :many
SELECT order_id, operation_kind, operation_name
FROM operations
WHERE operation_name = sqlc.arg(operation_name)
ORDER BY order_id, operation_kind
LIMIT sqlc.arg(page_limit);

-- name: SearchKeyRecords :many
SELECT order_id
FROM gateway_keys
WHERE gateway_key = sqlc.arg(gateway_key)
ORDER BY order_id
LIMIT sqlc.arg(page_limit);

-- name: ListKeysOfCreated :many
-- ListKeysOfCreated reads the current keys of payments in the order of the index payments_created.
SELECT order_id, gateway_key
FROM payments
WHERE created_at >= sqlc.arg(created_from) AND created_at < sqlc.arg(created_before)
ORDER BY created_at, order_id
LIMIT sqlc.arg(page_limit);
