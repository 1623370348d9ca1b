-- name: InsertPayment :exec
INSERT INTO payments (
    order_id, amount_minor, currency, state, gateway_key, fence, replica, due_at,
    attempt_number, attempt_fence, attempt_replica, attempt_gateway_key,
    attempt_started_at, attempt_ended_at, attempt_class, attempt_code, attempt_message,
    doubt_answered, doubt_unanswered_at, lookups, strikes, events, async, later_retries,
    transaction_id, code, reason, created_at, updated_at,
    gateway, key_sent_at, key_sent_clock, key_lifetime_micros, retries,
    doubt_named, doubt_unanswered_clock, doubt_latest_at, doubt_latest_clock, payment_method, return_url,
    refund_reserved_minor, capture, captured_minor, hold_claimed_by, hold_expires_at, operation_count
) VALUES (
    ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
    ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?
);

-- name: UpdatePayment :execrows
UPDATE payments
SET state = sqlc.arg(state), gateway_key = sqlc.arg(gateway_key), fence = sqlc.arg(fence),
    replica = sqlc.arg(replica), due_at = sqlc.arg(due_at),
    attempt_number = sqlc.arg(attempt_number), attempt_fence = sqlc.arg(attempt_fence),
    attempt_replica = sqlc.arg(attempt_replica), attempt_gateway_key = sqlc.arg(attempt_gateway_key),
    attempt_started_at = sqlc.arg(attempt_started_at), attempt_ended_at = sqlc.arg(attempt_ended_at),
    attempt_class = sqlc.arg(attempt_class), attempt_code = sqlc.arg(attempt_code),
    attempt_message = sqlc.arg(attempt_message),
    doubt_answered = sqlc.arg(doubt_answered), doubt_unanswered_at = sqlc.arg(doubt_unanswered_at),
    lookups = sqlc.arg(lookups), strikes = sqlc.arg(strikes), events = sqlc.arg(events),
    async = sqlc.arg(async), later_retries = sqlc.arg(later_retries),
    transaction_id = sqlc.arg(transaction_id), code = sqlc.arg(code), reason = sqlc.arg(reason),
    gateway = sqlc.arg(gateway), key_sent_at = sqlc.arg(key_sent_at), key_sent_clock = sqlc.arg(key_sent_clock),
    key_lifetime_micros = sqlc.arg(key_lifetime_micros), retries = sqlc.arg(retries),
    doubt_named = sqlc.arg(doubt_named), doubt_unanswered_clock = sqlc.arg(doubt_unanswered_clock),
    doubt_latest_at = sqlc.arg(doubt_latest_at), doubt_latest_clock = sqlc.arg(doubt_latest_clock),
    payment_method = sqlc.arg(payment_method), return_url = sqlc.arg(return_url),
    refund_reserved_minor = sqlc.arg(refund_reserved_minor), captured_minor = sqlc.arg(captured_minor),
    hold_claimed_by = sqlc.arg(hold_claimed_by), hold_expires_at = sqlc.arg(hold_expires_at),
    operation_count = sqlc.arg(operation_count), updated_at = sqlc.arg(updated_at)
WHERE order_id = sqlc.arg(order_id) AND fence = sqlc.arg(fence_read);

-- name: FindPayment :one
SELECT sqlc.embed(payments)
FROM payments
WHERE order_id = ?;

-- name: ListPayments :many
-- ListPayments excludes states instead of selecting them, so that a row in an unknown state is in every
-- list. They are one text with spaces around each, because sqlc miscounts the parameters after a slice.
-- With states, the range must be bounded by SkipPayments, because the states have no index.
SELECT sqlc.embed(payments)
FROM payments
WHERE created_at >= sqlc.arg(created_from) AND created_at < sqlc.arg(created_before)
    AND created_at <= sqlc.arg(after_created_at)
    AND (created_at > sqlc.arg(created_from) OR order_id >= sqlc.arg(from_order_id))
    AND (created_at < sqlc.arg(after_created_at) OR order_id < sqlc.arg(after_order_id))
    AND instr(CAST(sqlc.arg(states_left_out) AS TEXT), ' ' || state || ' ') = 0
ORDER BY created_at DESC, order_id DESC
LIMIT sqlc.arg(page_limit);

-- name: SkipPayments :one
-- SkipPayments returns the row of a list after a number of others. It reads the index payments_created only.
SELECT created_at, order_id
FROM payments
WHERE created_at >= sqlc.arg(created_from) AND created_at < sqlc.arg(created_before)
    AND created_at <= sqlc.arg(after_created_at)
    AND (created_at < sqlc.arg(after_created_at) OR order_id < sqlc.arg(after_order_id))
ORDER BY created_at DESC, order_id DESC
LIMIT 1 OFFSET sqlc.arg(skipped);

-- name: ListOutstanding :many
-- ListOutstanding reads the rows that the index payments_due has, in no order.
SELECT order_id, state, created_at
FROM payments
WHERE due_at IS NOT NULL
LIMIT sqlc.arg(max_rows);

-- name: FindPayments :many
SELECT sqlc.embed(payments)
FROM payments
WHERE order_id IN (sqlc.slice(order_ids));

-- name: ListTransactions :many
SELECT order_id, gateway, transaction_id
FROM payments
WHERE order_id > sqlc.arg(after) AND transaction_id <> ''
ORDER BY order_id
LIMIT sqlc.arg(page_limit);

-- name: ListSummaries :many
-- ListSummaries reads what an audit compares, in the order of the index payments_created.
SELECT order_id, amount_minor, currency, state, gateway_key, gateway, transaction_id,
    captured_minor, refund_reserved_minor, created_at, updated_at
FROM payments
WHERE created_at >= sqlc.arg(created_from) AND created_at < sqlc.arg(created_before)
    AND (created_at > sqlc.arg(created_from) OR order_id > sqlc.arg(after_order_id))
ORDER BY created_at, order_id
LIMIT sqlc.arg(page_limit);

-- name: FindSummaries :many
SELECT order_id, amount_minor, currency, state, gateway_key, gateway, transaction_id,
    captured_minor, refund_reserved_minor, created_at, updated_at
FROM payments
WHERE order_id IN (sqlc.slice(order_ids));
