package mysqlstore

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/payment"
	"paymentd/internal/groupcommit"
)

const (
	// most bounds the rows of one statement. From 200 keys on, the server no longer looks how many
	// rows they have, but goes by its statistics (eq_range_index_dive_limit).
	most = 128
	// slow is when others no longer wait for a shared commit, such as one that waits for a row's
	// lock; and lanes, how many are then under way at once at most. A commit takes some
	// milliseconds.
	slow  = 100 * time.Millisecond
	lanes = 8
)

// errAlone: what was written together was written without this change, for certain. It has to be
// made by itself.
var errAlone = errors.New("not written together with others")

// writeTogether is write for a change that may share its commit. Whatever is the matter with the
// shared one, from then on the change is made alone: what is wrong with one is no matter of
// the others, and a lost answer is cleared up row by row.
//
// together is nil where commits are not shared.
func (s *Payments) writeTogether(
	ctx context.Context, together func(context.Context) error,
	change func(context.Context, *sql.Conn) error,
) error {
	first := errAlone
	if together != nil {
		first = together(ctx)
	}
	if first == nil {
		return nil
	}
	return s.try(ctx, context.WithoutCancel(ctx), func(waiting, using context.Context) error {
		if err := first; !errors.Is(err, errAlone) {
			first = errAlone
			return err
		}
		return s.once(waiting, using, change)
	})
}

// opening returns how a payment is inserted together with others.
func (s *Payments) opening(o *opening) func(context.Context) error { return share(s, s.openings, o) }

// settling returns how a payment is settled together with others.
func (s *Payments) settling(st *settling) func(context.Context) error {
	return share(s, s.settlings, st)
}

func share[T any](s *Payments, shared *groupcommit.Batcher[T], change T) func(context.Context) error {
	if shared == nil {
		return nil
	}
	return func(ctx context.Context) error {
		err := shared.Do(ctx, s.timeout, change)
		switch {
		case errors.Is(err, groupcommit.ErrNotBegun):
			return &unconnectedError{err}
		case errors.Is(err, groupcommit.ErrPanicked):
			return fmt.Errorf("%w: %w", errAlone, err)
		}
		return err
	}
}

// flight does work for several changes. An error that is nobody's in particular, and leaves no
// doubt that nothing was written, sends each of them on its own way.
func (s *Payments) flight(work func(context.Context, *sql.Conn) error) error {
	err := s.once(context.Background(), context.Background(), work)
	_, unanswered := errors.AsType[*unansweredError](err)
	_, unconnected := errors.AsType[*unconnectedError](err)
	if err == nil || unanswered || unconnected {
		return err
	}
	return fmt.Errorf("%w: %w", errAlone, err)
}

// openTogether inserts the payments of new orders, in one statement and one transaction. Those
// of orders that are known already are left out before: an INSERT would wait for their locks.
func (s *Payments) openTogether(batch []*opening) []error {
	if len(batch) < s.fewest {
		return []error{s.flight(batch[0].insert)}
	}
	var fresh []*opening
	err := s.flight(func(ctx context.Context, conn *sql.Conn) error {
		q := queries.New(conn)
		known, err := q.ListOpened(ctx, orders(batch))
		if err != nil {
			return fmt.Errorf("look for the payments: %w", err)
		}
		for _, o := range batch {
			o.known = slices.Contains(known, o.orderID)
		}
		fresh = oneEach(slices.DeleteFunc(slices.Clone(batch), func(o *opening) bool { return o.known }))
		if len(fresh) == 0 {
			return nil
		}
		rows := make([]queries.InsertPaymentParams, 0, len(fresh))
		for _, o := range fresh {
			rows = append(rows, o.row())
		}
		now, err := q.InsertPayments(ctx, rows)
		if err != nil {
			return atCommit(fmt.Errorf("insert the payments: %w", err))
		}
		for _, o := range fresh {
			o.inserted(now)
		}
		return nil
	})
	return results(batch, err, func(o *opening) bool { return slices.Contains(fresh, o) })
}

// settleTogether settles payments that stand as expected, in one statement and one transaction.
func (s *Payments) settleTogether(batch []*settling) []error {
	if len(batch) < s.fewest {
		return []error{s.flight(batch[0].update)}
	}
	once := oneEach(slices.Clone(batch))
	err := s.flight(func(ctx context.Context, conn *sql.Conn) error {
		q := queries.New(conn)
		rows := make([]queries.SettlePaymentParams, 0, len(once))
		for _, st := range once {
			rows = append(rows, st.row)
		}
		settled, err := q.SettlePayments(ctx, rows)
		if err != nil {
			return atCommit(fmt.Errorf("update the payments: %w", err))
		}
		if settled == int64(len(once)) {
			return nil
		}
		return findUnexpected(ctx, q, once)
	})
	return results(batch, err, func(st *settling) bool {
		return !st.unexpected && slices.Contains(once, st)
	})
}

// findUnexpected tells which of the settlements are not stored.
func findUnexpected(ctx context.Context, q *queries.Queries, batch []*settling) error {
	rows, err := q.ListSettled(ctx, orders(batch))
	if err != nil {
		return fmt.Errorf("look at the payments: %w", err)
	}
	for _, st := range batch {
		st.unexpected = !slices.ContainsFunc(rows, st.stored)
	}
	return nil
}

// stored reports whether the row is as the settlement leaves it.
func (st *settling) stored(row queries.ListSettledRow) bool {
	return row.OrderID == st.row.OrderID && row.Fence == st.row.Fence &&
		row.State == st.row.NewState && row.AttemptNumber == st.row.AttemptNumber &&
		row.AttemptClass == st.row.AttemptClass && bytes.Equal(row.TransactionID, st.row.TransactionID)
}

// order is that of the change's payment.
func (m *move) order() payment.OrderID { return m.orderID }

func (st *settling) order() payment.OrderID { return st.row.OrderID }

// oneEach sorts changes by their orders, so that two batches take their locks in one order, and
// leaves out those of an order that has one already.
func oneEach[T interface{ order() payment.OrderID }](batch []T) []T {
	slices.SortStableFunc(batch, func(a, b T) int { return cmp.Compare(a.order(), b.order()) })
	return slices.CompactFunc(batch, func(a, b T) bool { return a.order() == b.order() })
}

func orders[T interface{ order() payment.OrderID }](batch []T) []payment.OrderID {
	ids := make([]payment.OrderID, 0, len(batch))
	for _, change := range batch {
		ids = append(ids, change.order())
	}
	return ids
}

// results are those of a flight: its error for those that were on board, and errAlone for the
// others, unless there was none for anybody.
func results[T any](batch []T, err error, onBoard func(T) bool) []error {
	_, unconnected := errors.AsType[*unconnectedError](err)
	errs := make([]error, len(batch))
	for i, change := range batch {
		if errs[i] = err; !unconnected && !onBoard(change) {
			errs[i] = errAlone
		}
	}
	return errs
}
