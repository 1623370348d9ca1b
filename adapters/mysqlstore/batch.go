package mysqlstore

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/payment"
	"paymentd/internal/groupcommit"
)

const (
	// maxBatchRows limits the rows of one statement. From 200 keys on, the server estimates row counts
	// from its statistics instead of the index (eq_range_index_dive_limit).
	maxBatchRows = 128
	// stallAfter is when a batch, for example one that waits for a row's lock, no longer blocks the
	// next ones; maxConcurrent limits how many are then in flight. A commit takes some milliseconds.
	stallAfter    = 100 * time.Millisecond
	maxConcurrent = 8
)

// errNotBatched: the batch certainly did not write this change. It must be written on its own.
var errNotBatched = errors.New("not written with the batch")

// batchable is a change that can be written in a statement shared with other changes.
type batchable interface {
	comparable
	// write is one try to write the change on its own.
	write(ctx context.Context, conn *sql.Conn) error
	order() payment.OrderID
}

func (u *rowUpdate) order() payment.OrderID { return u.ref.OrderID }

func (f *fastSettle) order() payment.OrderID { return f.row.OrderID }

// writeBatched writes a change together with others that are pending. If the batch fails, each of its
// changes is retried on its own, so that one bad row cannot fail the others, and a lost answer is
// resolved row by row. batcher is nil if commits are not shared.
func writeBatched[C batchable](ctx context.Context, s *Payments, batcher *groupcommit.Batcher[C], c C) error {
	batched := errNotBatched
	if batcher != nil {
		batched = batcher.Do(ctx, s.timeout, c)
		switch {
		case batched == nil:
			return nil
		case errors.Is(batched, groupcommit.ErrNotBegun):
			batched = &noConnError{batched}
		case errors.Is(batched, groupcommit.ErrPanicked):
			batched = fmt.Errorf("%w: %w", errNotBatched, batched)
		}
	}
	return s.retry(ctx, context.WithoutCancel(ctx), func(waiting, using context.Context) error {
		if err := batched; !errors.Is(err, errNotBatched) {
			batched = errNotBatched
			return err // counts as the first try
		}
		return s.onConn(waiting, using, c.write)
	})
}

// insertBatch inserts the payments of new orders in one statement, which is a transaction of its own.
// Orders that have a payment are left out first, because an INSERT would wait for their locks.
func (s *Payments) insertBatch(batch []*insertClaim) []error {
	ctx := context.Background()
	inserted := batch
	err := s.onConn(ctx, ctx, func(ctx context.Context, conn *sql.Conn) (err error) {
		if len(batch) < s.minBatchRows {
			return batch[0].insert(ctx, conn)
		}
		inserted, err = s.insertNew(ctx, conn, batch)
		return err
	})
	return batchResults(batch, inserted, err)
}

// insertNew returns the claims that it tried to insert, at most one per order.
func (s *Payments) insertNew(ctx context.Context, conn *sql.Conn, batch []*insertClaim) ([]*insertClaim, error) {
	known, err := queries.New(conn).ListOpened(ctx, ordersOf(batch))
	if err != nil {
		return nil, fmt.Errorf("look for the payments: %w", err)
	}
	var claims []*insertClaim
	for _, c := range batch {
		if c.exists = slices.Contains(known, c.order()); !c.exists {
			claims = append(claims, c)
		}
	}
	if claims = firstPerOrder(claims); len(claims) == 0 {
		return nil, nil
	}
	rows := make([]queries.InsertPaymentParams, 0, len(claims))
	for _, c := range claims {
		rows = append(rows, c.row())
	}
	now, err := insertPayments(ctx, conn, rows)
	if err != nil {
		return claims, s.classifyBatch(fmt.Errorf("insert the payments: %w", err), len(rows))
	}
	for _, c := range claims {
		c.inserted(now)
	}
	return claims, nil
}

// settleBatch settles payments in one statement, which is a transaction of its own.
func (s *Payments) settleBatch(batch []*fastSettle) []error {
	ctx := context.Background()
	settled := batch
	err := s.onConn(ctx, ctx, func(ctx context.Context, conn *sql.Conn) (err error) {
		if len(batch) < s.minBatchRows {
			return batch[0].update(ctx, conn)
		}
		settled, err = s.settleMatching(ctx, conn, batch)
		return err
	})
	return batchResults(batch, settled, err)
}

// settleMatching returns the settlements that it stored, at most one per order. For the others, it
// sets needsLock.
func (s *Payments) settleMatching(ctx context.Context, conn *sql.Conn, batch []*fastSettle) ([]*fastSettle, error) {
	settlements := firstPerOrder(slices.Clone(batch))
	rows := make([]queries.SettlePaymentParams, 0, len(settlements))
	for _, f := range settlements {
		rows = append(rows, f.row)
	}
	matched, err := settlePayments(ctx, conn, rows)
	if err != nil {
		return settlements, s.classifyBatch(fmt.Errorf("update the payments: %w", err), len(rows))
	}
	if matched == int64(len(settlements)) {
		return settlements, nil
	}
	stored, err := queries.New(conn).ListSettled(ctx, ordersOf(settlements))
	if err != nil {
		return settlements, fmt.Errorf("look at the payments: %w", err)
	}
	for _, f := range settlements {
		f.needsLock = !slices.ContainsFunc(stored, f.isStored)
	}
	return slices.DeleteFunc(settlements, func(f *fastSettle) bool { return f.needsLock }), nil
}

// isStored reports whether the row is as the settlement leaves it.
func (f *fastSettle) isStored(row queries.ListSettledRow) bool {
	return row.OrderID == f.row.OrderID && row.Fence == f.row.Fence &&
		row.State == f.row.NewState && row.AttemptNumber == f.row.AttemptNumber &&
		row.AttemptClass == f.row.AttemptClass && bytes.Equal(row.TransactionID, f.row.TransactionID)
}

// firstPerOrder sorts the changes by order, so that all batches take their locks in the same order,
// and drops all but the first of each order.
func firstPerOrder[C batchable](batch []C) []C {
	slices.SortStableFunc(batch, func(a, b C) int { return cmp.Compare(a.order(), b.order()) })
	return slices.CompactFunc(batch, func(a, b C) bool { return a.order() == b.order() })
}

func ordersOf[C batchable](batch []C) []payment.OrderID {
	ids := make([]payment.OrderID, 0, len(batch))
	for _, c := range batch {
		ids = append(ids, c.order())
	}
	return ids
}

// batchResults returns the result of each change: err for those in written, and errNotBatched for the
// others. Without a connection, err is the result of all. An error that leaves no doubt that nothing
// was written, and is not about the connection, becomes an errNotBatched.
func batchResults[C batchable](batch, written []C, err error) []error {
	_, ambiguous := errors.AsType[*ambiguousCommitError](err)
	_, noConn := errors.AsType[*noConnError](err)
	if err != nil && !ambiguous && !noConn {
		err = fmt.Errorf("%w: %w", errNotBatched, err)
	}
	errs := make([]error, len(batch))
	for i, c := range batch {
		if errs[i] = err; !noConn && !slices.Contains(written, c) {
			errs[i] = errNotBatched
		}
	}
	return errs
}

// The statements below have many rows, which sqlc cannot generate. Tests compare each with its
// generated statement of one row.

// readNow is how the generated INSERT returns its now. One row is enough for that, because NOW is the
// same in all rows of a statement.
const readNow = "TIMESTAMP '1970-01-01 00:00:00' + INTERVAL\n" +
	"        LAST_INSERT_ID(TIMESTAMPDIFF(MICROSECOND, TIMESTAMP '1970-01-01 00:00:00', NOW(6))) MICROSECOND"

// insertPayments is [queries.Queries.InsertPayment] for many payments, all or none.
func insertPayments(ctx context.Context, db queries.DBTX, rows []queries.InsertPaymentParams) (now int64, err error) {
	into, first, _ := strings.Cut(queries.InsertPayment, "VALUES ")
	first = strings.ReplaceAll(first, "CAST(? AS SIGNED)", "?") // the cast declares a type to sqlc
	next := "," + strings.Replace(first, readNow, "NOW(6)", 1)
	args := make([]any, 0, len(rows)*strings.Count(first, "?"))
	for i := range rows {
		r := &rows[i]
		// Plain types, because database/sql converts named types by reflection.
		var starts any
		if r.StartsInMicros.Valid {
			starts = r.StartsInMicros.Int64
		}
		args = append(args,
			string(r.OrderID), r.AmountMinor, r.Currency, string(r.State), string(r.GatewayKey),
			r.Fence, r.ClaimToken, r.Replica, r.DueInMicros,
			int64(r.AttemptNumber), r.AttemptFence, r.AttemptReplica, string(r.AttemptGatewayKey), starts,
			r.Async, string(r.Gateway), r.KeySentClock.Int64, r.KeyLifetimeMicros,
			[]byte(r.PaymentMethod), []byte(r.ReturnUrl), string(r.Capture))
	}
	result, err := db.ExecContext(ctx, into+"VALUES "+first+strings.Repeat(next, len(rows)-1), args...)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

// settlePayments is [queries.Queries.SettlePayment] for many payments, at most one settlement per
// payment. It returns how many rows matched.
//
// The index is forced because the optimizer prefers a scan of a small table, which would lock other
// rows; by their keys, the rows are locked in the order of the keys.
func settlePayments(ctx context.Context, db queries.DBTX, rows []queries.SettlePaymentParams) (matched int64, err error) {
	u := multiUpdate{rows: rows}
	u.add("UPDATE payments FORCE INDEX (PRIMARY)\nSET state = ")
	addPerRow(&u, func(r *queries.SettlePaymentParams) payment.State { return r.NewState })
	u.add(", transaction_id = ")
	addPerRow(&u, func(r *queries.SettlePaymentParams) string { return string(r.TransactionID) })
	u.add(",\n    code = ")
	addPerRow(&u, func(r *queries.SettlePaymentParams) string { return r.Code })
	u.add(", reason = ")
	addPerRow(&u, func(r *queries.SettlePaymentParams) string { return r.Reason })
	u.add(", due_at = NULL,\n    attempt_ended_at = attempt_started_at + INTERVAL ")
	addPerRow(&u, func(r *queries.SettlePaymentParams) int64 { return r.TookMicros })
	u.add(" MICROSECOND,\n    attempt_class = ")
	addPerRow(&u, func(r *queries.SettlePaymentParams) payment.Class { return r.AttemptClass })
	u.add(", attempt_code = ")
	addPerRow(&u, func(r *queries.SettlePaymentParams) string { return r.AttemptCode })
	u.add(", attempt_message = ")
	addPerRow(&u, func(r *queries.SettlePaymentParams) string { return r.AttemptMessage })
	u.add(",\n    doubt_answered = FALSE, doubt_named = FALSE, doubt_unanswered_at = NULL, doubt_unanswered_clock = NULL," +
		"\n    doubt_latest_at = NULL, doubt_latest_clock = NULL, strikes = 0, updated_at = NOW(6)\nWHERE order_id IN (?")
	u.add(strings.Repeat(",?", len(rows)-1))
	for i := range rows {
		u.args = append(u.args, []byte(rows[i].OrderID))
	}
	u.add(") AND fence = ")
	addPerRow(&u, func(r *queries.SettlePaymentParams) int64 { return r.Fence })
	u.add(" AND state = ")
	addPerRow(&u, func(r *queries.SettlePaymentParams) payment.State { return r.State })
	u.add(" AND attempt_number = ")
	addPerRow(&u, func(r *queries.SettlePaymentParams) int { return r.AttemptNumber })
	u.add("\n    AND attempt_class = '' AND attempt_started_at IS NOT NULL\n    AND (")
	addPerRow(&u, func(r *queries.SettlePaymentParams) payment.State { return r.NewState })
	u.add(" = 'succeeded' OR (doubt_answered = FALSE AND doubt_named = FALSE AND doubt_unanswered_at IS NULL))")
	result, err := db.ExecContext(ctx, u.statement.String(), u.args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// multiUpdate builds the statement of settlePayments.
type multiUpdate struct {
	rows      []queries.SettlePaymentParams
	statement strings.Builder
	args      []any
}

func (u *multiUpdate) add(text string) { u.statement.WriteString(text) }

// addPerRow adds the value of each row: one placeholder if all rows have the same value, and otherwise
// a CASE by order. Most settlements of a batch differ in little but the transaction id, and a derived
// table to join with took the server half as long again.
func addPerRow[T comparable](u *multiUpdate, value func(*queries.SettlePaymentParams) T) {
	first := value(&u.rows[0])
	same := true
	for i := range u.rows {
		same = same && value(&u.rows[i]) == first
	}
	if same {
		u.add("?")
		u.args = append(u.args, first)
		return
	}
	u.add("CASE order_id" + strings.Repeat(" WHEN ? THEN ?", len(u.rows)) + " END")
	for i := range u.rows {
		u.args = append(u.args, []byte(u.rows[i].OrderID), value(&u.rows[i]))
	}
}
