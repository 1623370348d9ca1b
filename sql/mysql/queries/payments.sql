-- name: InsertPayment :execlastid
-- InsertPayment is the first of the two statements of a payment that succeeds at once. Its times are
-- offsets from the database's now; the start is NULL if no attempt is in flight. It returns that now,
-- in microseconds since 1970: LAST_INSERT_ID with an argument returns it in the statement's answer,
-- because RETURNING is not portable.
INSERT INTO payments (
    created_at, updated_at,
    order_id, amount_minor, currency, state, gateway_key,
    fence, claim_token, replica, due_at,
    attempt_number, attempt_fence, attempt_replica, attempt_gateway_key, attempt_started_at,
    attempt_class, attempt_code, attempt_message,
    doubt_answered, lookups, strikes, events, async, later_retries,
    transaction_id, code, reason,
    gateway, key_sent_clock, key_lifetime_micros, payment_method, return_url, capture
) VALUES (
    TIMESTAMP '1970-01-01 00:00:00' + INTERVAL
        LAST_INSERT_ID(TIMESTAMPDIFF(MICROSECOND, TIMESTAMP '1970-01-01 00:00:00', NOW(6))) MICROSECOND,
    NOW(6),
    sqlc.arg(order_id), sqlc.arg(amount_minor), sqlc.arg(currency), sqlc.arg(state), sqlc.arg(gateway_key),
    sqlc.arg(fence), sqlc.arg(claim_token), sqlc.arg(replica),
    NOW(6) + INTERVAL CAST(sqlc.arg(due_in_micros) AS SIGNED) MICROSECOND,
    sqlc.arg(attempt_number), sqlc.arg(attempt_fence), sqlc.arg(attempt_replica), sqlc.arg(attempt_gateway_key),
    NOW(6) + INTERVAL CAST(sqlc.narg(starts_in_micros) AS SIGNED) MICROSECOND,
    '', '', '',
    FALSE, 0, 0, 0, sqlc.arg(async), 0,
    '', '', '',
    sqlc.arg(gateway), sqlc.arg(key_sent_clock), sqlc.arg(key_lifetime_micros),
    sqlc.arg(payment_method), sqlc.arg(return_url), sqlc.arg(capture)
);

-- name: SettlePayment :execrows
-- SettlePayment is the second of the two statements of a payment that succeeds at once. It does what
-- payment.Settlement does to an attempt in flight that gets a final outcome, and matches no row if the
-- payment is in another state.
UPDATE payments
SET state = sqlc.arg(new_state), transaction_id = sqlc.arg(transaction_id),
    code = sqlc.arg(code), reason = sqlc.arg(reason), due_at = NULL,
    attempt_ended_at = attempt_started_at + INTERVAL CAST(sqlc.arg(took_micros) AS SIGNED) MICROSECOND,
    attempt_class = sqlc.arg(attempt_class), attempt_code = sqlc.arg(attempt_code),
    attempt_message = sqlc.arg(attempt_message),
    doubt_answered = FALSE, doubt_named = FALSE, doubt_unanswered_at = NULL, doubt_unanswered_clock = NULL,
    doubt_latest_at = NULL, doubt_latest_clock = NULL, strikes = 0, updated_at = NOW(6)
WHERE order_id = sqlc.arg(order_id) AND fence = sqlc.arg(fence) AND state = sqlc.arg(state)
    AND attempt_number = sqlc.arg(attempt_number) AND attempt_class = '' AND attempt_started_at IS NOT NULL
    AND (sqlc.arg(new_state) = 'succeeded' OR (doubt_answered = FALSE AND doubt_named = FALSE AND doubt_unanswered_at IS NULL));

-- name: LockPayment :one
-- LockPayment waits for the row's lock. read_at is SYSDATE, the time after the wait: NOW is the start
-- of the statement, which may be before the latest write of the row. A read-only server refuses the lock
-- (1290), so that a demoted primary is not believed.
SELECT sqlc.embed(payments), SYSDATE(6) AS read_at
FROM payments
WHERE order_id = ?
FOR UPDATE;

-- name: UpdatePayment :execrows
-- UpdatePayment writes a locked payment. It compares what was read, because row locks are local to a node
-- in some clusters, in which only the writes of two claims conflict.
UPDATE payments
SET state = sqlc.arg(state), gateway_key = sqlc.arg(gateway_key),
    fence = sqlc.arg(fence), claim_token = sqlc.arg(claim_token),
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
WHERE order_id = sqlc.arg(order_id) AND fence = sqlc.arg(fence_read) AND state = sqlc.arg(state_read)
    AND attempt_number = sqlc.arg(attempt_number_read) AND operation_count = sqlc.arg(operation_count_read)
    AND refund_reserved_minor = sqlc.arg(refund_reserved_read) AND hold_claimed_by = sqlc.arg(hold_claimed_by_read);

-- name: FindPayment :one
SELECT sqlc.embed(payments), NOW(6) AS read_at
FROM payments
WHERE order_id = ?;

-- name: ListPayments :many
-- ListPayments excludes states instead of selecting them, so that a row in an unknown state is in every
-- list. With states, the range must be bounded by SkipPayments, because the states have no index.
SELECT sqlc.embed(payments), NOW(6) AS read_at
FROM payments
WHERE created_at >= sqlc.arg(created_from) AND created_at < sqlc.arg(created_before)
    AND created_at <= sqlc.arg(after_created_at)
    AND (created_at > sqlc.arg(created_from) OR order_id >= sqlc.arg(from_order_id))
    AND (created_at < sqlc.arg(after_created_at) OR order_id < sqlc.arg(after_order_id))
    AND state NOT IN (sqlc.slice(states_left_out))
ORDER BY created_at DESC, order_id DESC
LIMIT ?;

-- name: SkipPayments :one
-- SkipPayments returns the row of a list after a number of others. It reads the index payments_created only.
SELECT created_at, order_id
FROM payments FORCE INDEX (payments_created)
WHERE created_at >= sqlc.arg(created_from) AND created_at < sqlc.arg(created_before)
    AND created_at <= sqlc.arg(after_created_at)
    AND (created_at < sqlc.arg(after_created_at) OR order_id < sqlc.arg(after_order_id))
ORDER BY created_at DESC, order_id DESC
LIMIT 1 OFFSET ?;

-- name: ListOutstanding :many
-- ListOutstanding reads the index payments_due only, in no order.
SELECT order_id, state, created_at
FROM payments FORCE INDEX (payments_due)
WHERE due_at IS NOT NULL
LIMIT ?;

-- name: FindPayments :many
SELECT sqlc.embed(payments), NOW(6) AS read_at
FROM payments
WHERE order_id IN (sqlc.slice(order_ids));

-- name: ListOpened :many
-- ListOpened returns the orders that have a payment. It waits for no lock.
SELECT order_id
FROM payments
WHERE order_id IN (sqlc.slice(order_ids));

-- name: ListSettled :many
SELECT order_id, fence, state, attempt_number, attempt_class, transaction_id
FROM payments
WHERE order_id IN (sqlc.slice(order_ids));

-- name: ListTransactions :many
SELECT order_id, gateway, transaction_id
FROM payments
WHERE order_id > sqlc.arg(after) AND transaction_id <> ''
ORDER BY order_id
LIMIT ?;

-- name: ListSummaries :many
-- ListSummaries reads what an audit compares, in the order of the index payments_created.
SELECT order_id, amount_minor, currency, state, gateway_key, gateway, transaction_id,
    captured_minor, refund_reserved_minor, created_at, updated_at
FROM payments
WHERE created_at >= sqlc.arg(created_from) AND created_at < sqlc.arg(created_before)
    AND (created_at > sqlc.arg(created_from) OR order_id > sqlc.arg(after_order_id))
ORDER BY created_at, order_id
LIMIT ?;

-- name: FindSummaries :many
SELECT order_id, amount_minor, currency, state, gateway_key, gateway, transaction_id,
    captured_minor, refund_reserved_minor, created_at, updated_at
FROM payments
WHERE order_id IN (sqlc.slice(order_ids));
