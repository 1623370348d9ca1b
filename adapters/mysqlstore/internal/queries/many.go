// Package queries is what sqlc generates from sql/mysql/queries, and the few statements that it
// cannot express.
package queries

import (
	"context"
	"strings"
)

// This file is written by hand: sqlc generates no statement of many rows. Each does to every row
// what a generated one does to its row, and a test holds them against each other.

// InsertPayments is InsertPayment for many payments, all or none. What it returns is the now of
// all of them.
func (q *Queries) InsertPayments(ctx context.Context, rows []InsertPaymentParams) (int64, error) {
	into, values, _ := strings.Cut(insertPayment, "VALUES ")
	args := make([]any, 0, len(rows)*strings.Count(values, "?"))
	for _, r := range rows {
		args = append(args,
			r.OrderID, r.AmountMinor, r.Currency, r.State, r.GatewayKey,
			r.Fence, r.ClaimToken, r.Replica, r.DueInMicros,
			r.AttemptNumber, r.AttemptFence, r.AttemptReplica, r.AttemptGatewayKey, r.StartsInMicros,
			r.Async)
	}
	result, err := q.db.ExecContext(ctx, into+"VALUES "+repeat(values, ",", len(rows)), args...)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

// settlePayments joins the payments with a list of what becomes of each. The list comes first,
// and rows are found by their keys, so that they are locked in the order of the list and no others
// are. The index is forced because a scan of a small table looks cheaper.
const (
	settlePayments = `UPDATE (
    SELECT ? AS new_state, ? AS transaction_id, ? AS code, ? AS reason, ? AS took_micros,
        ? AS attempt_class, ? AS attempt_code, ? AS attempt_message,
        ? AS order_id, ? AS fence, ? AS state, ? AS attempt_number`
	settleAnother = `
    UNION ALL SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?`
	settleThem = `
) AS s STRAIGHT_JOIN payments AS p FORCE INDEX (PRIMARY)
    ON p.order_id = s.order_id AND p.fence = s.fence AND p.state = s.state
    AND p.attempt_number = s.attempt_number AND p.attempt_class = '' AND p.attempt_started_at IS NOT NULL
SET p.state = s.new_state, p.transaction_id = s.transaction_id,
    p.code = s.code, p.reason = s.reason, p.due_at = NULL,
    p.attempt_ended_at = p.attempt_started_at + INTERVAL CAST(s.took_micros AS SIGNED) MICROSECOND,
    p.attempt_class = s.attempt_class, p.attempt_code = s.attempt_code,
    p.attempt_message = s.attempt_message,
    p.doubt_answered = FALSE, p.doubt_unanswered_at = NULL, p.strikes = 0, p.updated_at = NOW(6)`
)

// SettlePayments is SettlePayment for many payments, one settlement for each at most. It returns
// how many it has found as expected; the others it leaves as they are.
func (q *Queries) SettlePayments(ctx context.Context, rows []SettlePaymentParams) (int64, error) {
	args := make([]any, 0, len(rows)*strings.Count(settleAnother, "?"))
	for _, r := range rows {
		args = append(args,
			r.NewState, r.TransactionID, r.Code, r.Reason, r.TookMicros,
			r.AttemptClass, r.AttemptCode, r.AttemptMessage,
			[]byte(r.OrderID), r.Fence, r.State, r.AttemptNumber)
	}
	result, err := q.db.ExecContext(ctx,
		settlePayments+strings.Repeat(settleAnother, len(rows)-1)+settleThem, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// repeat is s, n times, with sep between.
func repeat(s, sep string, n int) string {
	return s + strings.Repeat(sep+s, n-1)
}
