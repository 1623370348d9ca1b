package mysqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"time"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/payment"
	"paymentd/ports"
)

// rowUpdate is one change of one payment: lock its row, let the domain decide, write, commit.
type rowUpdate struct {
	orderID payment.OrderID
	decide  func(payment.Payment, time.Time) (payment.Decision, error)
	// token is stored with each new fencing token. A retry after a lost answer finds it in the row if
	// the lost try was committed.
	token int64
	// needsKeys: decide needs the records of the order's keys.
	needsKeys bool
	// decision is the one of the latest try.
	decision payment.Decision
}

func newRowUpdate(
	id payment.OrderID, decide func(payment.Payment, time.Time) (payment.Decision, error),
) *rowUpdate {
	return &rowUpdate{orderID: id, decide: decide, token: newToken()}
}

// newKeyUpdate is newRowUpdate for a decision that needs the records of the order's keys.
func newKeyUpdate(
	id payment.OrderID, decide func(payment.Payment, time.Time) (payment.Decision, error),
) *rowUpdate {
	u := newRowUpdate(id, decide)
	u.needsKeys = true
	return u
}

// newToken returns a number that no other claim has.
func newToken() int64 { return rand.Int64() } //nolint:gosec // it must differ, and may be guessed

// update makes one change of one payment.
func (s *Payments) update(ctx context.Context, u *rowUpdate) (payment.Decision, error) {
	err := s.write(ctx, u.write)
	return u.decision, err
}

// write is one try, in one transaction.
func (u *rowUpdate) write(ctx context.Context, conn *sql.Conn) error {
	return transact(ctx, conn, func(q *queries.Queries) error { return u.apply(ctx, q) })
}

// apply runs in the transaction.
func (u *rowUpdate) apply(ctx context.Context, q *queries.Queries) error {
	row, err := q.LockPayment(ctx, u.orderID)
	if isNotFound(err) {
		return ports.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("lock the payment: %w", err)
	}
	p, err := fromRow(row.Payment, row.ReadAt)
	if err != nil {
		return err
	}
	if row.Payment.ClaimToken == u.token {
		p.TakenOver = u.decision.Payment.TakenOver
		u.decision.Payment = p
		return nil
	}
	if u.needsKeys {
		if p.Keys, err = listKeys(ctx, q, u.orderID); err != nil {
			return err
		}
	}
	if u.decision, err = u.decide(p, row.ReadAt); err != nil {
		return err
	}
	return store(ctx, q, row.Payment, u.decision, u.token)
}

// store writes a decision about a locked row.
func store(
	ctx context.Context, q *queries.Queries, row queries.Payment, d payment.Decision, token int64,
) error {
	text := textModeOf(ctx)
	for _, key := range d.Keys {
		if err := q.PutGatewayKey(ctx, toKeyRow(row.OrderID, key, text)); err != nil {
			return fmt.Errorf("store the key: %w", err)
		}
	}
	if !d.Write {
		return nil
	}
	if d.Payment.Fence == row.Fence {
		token = row.ClaimToken // the claim has not changed hands
	}
	update, err := toUpdate(d.Payment, row, token)
	if err != nil {
		return err
	}
	updated, err := q.UpdatePayment(ctx, text.update(update))
	if err != nil {
		return fmt.Errorf("update the payment: %w", err)
	}
	if updated != 1 {
		return fmt.Errorf("update order %q: %w", row.OrderID, errRowChanged)
	}
	if d.PriorAttempt != nil {
		if err := q.InsertAttempt(ctx, text.attempt(toAttempt(row.OrderID, *d.PriorAttempt))); err != nil {
			return fmt.Errorf("insert the attempt: %w", err)
		}
	}
	if d.Event != nil {
		if err := q.InsertEvent(ctx, text.event(toEvent(row.OrderID, *d.Event))); err != nil {
			return fmt.Errorf("insert the event: %w", err)
		}
	}
	return nil
}
