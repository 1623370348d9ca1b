// Package queries is what sqlc generates from sql/mysql/queries, and the few statements that it
// cannot express.
package queries

import (
	"context"
	"strings"

	"paymentd/core/payment"
)

// This file is written by hand: sqlc generates no statement of many rows. Each does to every row
// what a generated one does to its row, and a test holds them against each other.

// readNow is how InsertPayment sends its now back. One row of a statement is enough for that: NOW is
// the same in all of them.
const readNow = "TIMESTAMP '1970-01-01 00:00:00' + INTERVAL\n" +
	"        LAST_INSERT_ID(TIMESTAMPDIFF(MICROSECOND, TIMESTAMP '1970-01-01 00:00:00', NOW(6))) MICROSECOND"

// InsertPayments is InsertPayment for many payments, all or none. What it returns is the now of
// all of them.
func (q *Queries) InsertPayments(ctx context.Context, rows []InsertPaymentParams) (int64, error) {
	into, first, _ := strings.Cut(insertPayment, "VALUES ")
	first = strings.ReplaceAll(first, "CAST(? AS SIGNED)", "?") // which tells sqlc their type
	another := "," + strings.Replace(first, readNow, "NOW(6)", 1)
	args := make([]any, 0, len(rows)*strings.Count(first, "?"))
	for i := range rows {
		r := &rows[i]
		// What database/sql takes as it is: it looks at other types by reflection.
		var starts any
		if r.StartsInMicros.Valid {
			starts = r.StartsInMicros.Int64
		}
		args = append(args,
			string(r.OrderID), r.AmountMinor, r.Currency, string(r.State), string(r.GatewayKey),
			r.Fence, r.ClaimToken, r.Replica, r.DueInMicros,
			int64(r.AttemptNumber), r.AttemptFence, r.AttemptReplica, string(r.AttemptGatewayKey), starts,
			r.Async, string(r.Gateway), r.KeySentClock.Int64, r.KeyLifetimeMicros)
	}
	result, err := q.db.ExecContext(ctx, into+"VALUES "+first+strings.Repeat(another, len(rows)-1), args...)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

// SettlePayments is SettlePayment for many payments, one settlement for each at most. It returns
// how many it has found as expected; the others it leaves as they are.
//
// Most settlements of a moment differ in little more than the transaction, and what is the same for
// all of them is said once: a list of them to join with costs the server half as much again. The
// rows are found by their keys, so that they are locked in that order and no others are. The index
// is forced because a scan of a small table looks cheaper.
func (q *Queries) SettlePayments(ctx context.Context, rows []SettlePaymentParams) (int64, error) {
	s := settlements{rows: rows}
	s.add("UPDATE payments FORCE INDEX (PRIMARY)\nSET state = ")
	addEach(&s, func(r *SettlePaymentParams) payment.State { return r.NewState })
	s.add(", transaction_id = ")
	addEach(&s, func(r *SettlePaymentParams) string { return string(r.TransactionID) })
	s.add(",\n    code = ")
	addEach(&s, func(r *SettlePaymentParams) string { return r.Code })
	s.add(", reason = ")
	addEach(&s, func(r *SettlePaymentParams) string { return r.Reason })
	s.add(", due_at = NULL,\n    attempt_ended_at = attempt_started_at + INTERVAL ")
	addEach(&s, func(r *SettlePaymentParams) int64 { return r.TookMicros })
	s.add(" MICROSECOND,\n    attempt_class = ")
	addEach(&s, func(r *SettlePaymentParams) payment.Class { return r.AttemptClass })
	s.add(", attempt_code = ")
	addEach(&s, func(r *SettlePaymentParams) string { return r.AttemptCode })
	s.add(", attempt_message = ")
	addEach(&s, func(r *SettlePaymentParams) string { return r.AttemptMessage })
	s.add(",\n    doubt_answered = FALSE, doubt_named = FALSE, doubt_unanswered_at = NULL, doubt_unanswered_clock = NULL," +
		"\n    doubt_latest_at = NULL, doubt_latest_clock = NULL, strikes = 0, updated_at = NOW(6)\nWHERE order_id IN (")
	s.add(repeat("?", ",", len(rows)))
	for i := range rows {
		s.args = append(s.args, []byte(rows[i].OrderID))
	}
	s.add(") AND fence = ")
	addEach(&s, func(r *SettlePaymentParams) int64 { return r.Fence })
	s.add(" AND state = ")
	addEach(&s, func(r *SettlePaymentParams) payment.State { return r.State })
	s.add(" AND attempt_number = ")
	addEach(&s, func(r *SettlePaymentParams) int { return r.AttemptNumber })
	s.add("\n    AND attempt_class = '' AND attempt_started_at IS NOT NULL\n    AND (")
	addEach(&s, func(r *SettlePaymentParams) string { return string(r.TransactionID) })
	s.add(" <> '' OR (doubt_answered = FALSE AND doubt_named = FALSE AND doubt_unanswered_at IS NULL))")
	result, err := q.db.ExecContext(ctx, s.statement.String(), s.args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// settlements is the statement of SettlePayments as it grows.
type settlements struct {
	rows      []SettlePaymentParams
	statement strings.Builder
	args      []any
}

func (s *settlements) add(text string) { s.statement.WriteString(text) }

// addEach adds the value that each row has: once where it is the same for all, else by the order.
func addEach[T comparable](s *settlements, value func(*SettlePaymentParams) T) {
	first := value(&s.rows[0])
	same := true
	for i := range s.rows {
		same = same && value(&s.rows[i]) == first
	}
	if same {
		s.add("?")
		s.args = append(s.args, first)
		return
	}
	s.add("CASE order_id" + strings.Repeat(" WHEN ? THEN ?", len(s.rows)) + " END")
	for i := range s.rows {
		s.args = append(s.args, []byte(s.rows[i].OrderID), value(&s.rows[i]))
	}
}

// repeat is s, n times, with sep between.
func repeat(s, sep string, n int) string {
	return s + strings.Repeat(sep+s, n-1)
}
