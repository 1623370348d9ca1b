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

// decide is a decision of the domain about a locked payment or other operation, at now.
type decide func(p payment.Payment, now time.Time) (payment.Decision, error)

// rowUpdate is one change of one payment or other operation: lock its row, let the domain decide, write,
// commit.
type rowUpdate struct {
	ref    payment.Ref
	decide decide
	// request is the one that begins or claims an operation other than a charge. It replaces decide.
	request *payment.ClaimRequest
	// token is stored with each new fencing token. A retry after a lost answer finds it in the row if
	// the lost try was committed.
	token int64
	// needsKeys: decide needs the records of the keys.
	needsKeys bool
	// decision is the one of the latest try.
	decision payment.Decision
}

func newRowUpdate(ref payment.Ref, by decide) *rowUpdate {
	return &rowUpdate{ref: ref, decide: by, token: newToken()}
}

// newKeyUpdate is newRowUpdate for a decision that needs the records of the keys.
func newKeyUpdate(ref payment.Ref, by decide) *rowUpdate {
	u := newRowUpdate(ref, by)
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
	row, err := lock(ctx, q, u.ref)
	if err != nil {
		return err
	}
	if row.exists && row.claimToken == u.token {
		row.payment.TakenOver = u.decision.Payment.TakenOver
		u.decision.Payment = row.payment
		return nil
	}
	if row.exists && u.needsKeys {
		if row.payment.Keys, err = listKeys(ctx, q, u.ref); err != nil {
			return err
		}
	}
	if u.decision, err = u.decideOn(row); err != nil {
		return err
	}
	return store(ctx, q, row, u.decision, u.token)
}

// decideOn lets the domain decide about a locked row.
func (u *rowUpdate) decideOn(row lockedRow) (payment.Decision, error) {
	switch {
	case u.request != nil && row.exists:
		return u.request.DecideOperation(row.charge, &row.payment, row.readAt)
	case u.request != nil:
		return u.request.DecideOperation(row.charge, nil, row.readAt)
	case !row.exists:
		return payment.Decision{}, ports.ErrNotFound
	}
	d, err := u.decide(row.payment, row.readAt)
	if err == nil && !u.ref.Operation.IsCharge() {
		d = d.Account(row.charge, row.payment)
	}
	return d, err
}

// lockedRow is the row of a payment or other operation as it was read at readAt, under its lock.
type lockedRow struct {
	payment    payment.Payment
	claimToken int64
	readAt     time.Time
	// exists is false for an operation that is new.
	exists bool
	// charge is the operation's payment, whose row is locked as well.
	charge payment.Payment
}

// lock locks a payment's row and then, for another operation, that of the operation. It returns
// ports.ErrNotFound if there is no such payment.
func lock(ctx context.Context, q *queries.Queries, ref payment.Ref) (lockedRow, error) {
	row, err := q.LockPayment(ctx, ref.OrderID)
	if isNotFound(err) {
		return lockedRow{}, ports.ErrNotFound
	}
	if err != nil {
		return lockedRow{}, fmt.Errorf("lock the payment: %w", err)
	}
	p, err := fromRow(row.Payment, row.ReadAt)
	if err != nil {
		return lockedRow{}, err
	}
	if !ref.Operation.IsCharge() {
		return lockOperation(ctx, q, ref, lockedRow{charge: p, readAt: row.ReadAt})
	}
	return lockedRow{payment: p, claimToken: row.Payment.ClaimToken, readAt: row.ReadAt, exists: true}, nil
}

// store writes a decision about a locked row.
func store(ctx context.Context, q *queries.Queries, row lockedRow, d payment.Decision, token int64) error {
	ref := d.Payment.Ref()
	for _, key := range d.Keys {
		if err := putKey(ctx, q, ref, key); err != nil {
			return fmt.Errorf("store the key: %w", err)
		}
	}
	if !d.Write {
		return nil
	}
	if d.Charge != nil {
		if err := storeCharge(ctx, q, row.charge, *d.Charge); err != nil {
			return err
		}
	}
	if !row.exists {
		return insertNew(ctx, q, d, token)
	}
	if d.Payment.Fence == row.payment.Fence {
		token = row.claimToken // the claim has not changed hands
	}
	updated, err := updateRow(ctx, q, row.payment, d.Payment, token)
	if err != nil {
		return fmt.Errorf("update the payment: %w", err)
	}
	if updated != 1 {
		return fmt.Errorf("update order %q: %w", ref.OrderID, errRowChanged)
	}
	if d.PriorAttempt != nil {
		if err := insertAttempt(ctx, q, ref, *d.PriorAttempt); err != nil {
			return fmt.Errorf("insert the attempt: %w", err)
		}
	}
	if d.Event != nil {
		if err := insertEvent(ctx, q, ref, *d.Event); err != nil {
			return fmt.Errorf("insert the event: %w", err)
		}
	}
	return nil
}

// insertNew stores a new operation, with its event if it has one.
func insertNew(ctx context.Context, q *queries.Queries, d payment.Decision, token int64) error {
	if err := insertOperation(ctx, q, d.Payment, token); err != nil || d.Event == nil {
		return err
	}
	if err := insertEvent(ctx, q, d.Payment.Ref(), *d.Event); err != nil {
		return fmt.Errorf("insert the event: %w", err)
	}
	return nil
}

// The statements below write the tables of payments, or those of other operations.

func updateRow(ctx context.Context, q *queries.Queries, read, p payment.Payment, token int64) (updated int64, err error) {
	update, err := toUpdate(p, read, token)
	if err != nil {
		return 0, err
	}
	update = textModeOf(ctx).update(update)
	if p.Operation.IsCharge() {
		return q.UpdatePayment(ctx, update)
	}
	return q.UpdateOperation(ctx, toOperationUpdate(update, p.Operation))
}

func putKey(ctx context.Context, q *queries.Queries, ref payment.Ref, k payment.Key) error {
	row := toKeyRow(ref.OrderID, k, textModeOf(ctx))
	if ref.Operation.IsCharge() {
		return q.PutGatewayKey(ctx, row)
	}
	return q.PutOperationKey(ctx, toOperationKey(row, ref.Operation))
}

func insertAttempt(ctx context.Context, q *queries.Queries, ref payment.Ref, a payment.Attempt) error {
	row := textModeOf(ctx).attempt(toAttempt(ref.OrderID, a))
	if ref.Operation.IsCharge() {
		return q.InsertAttempt(ctx, row)
	}
	return q.InsertOperationAttempt(ctx, toOperationAttempt(row, ref.Operation))
}

func insertEvent(ctx context.Context, q *queries.Queries, ref payment.Ref, e payment.Event) error {
	row := textModeOf(ctx).event(toEvent(ref.OrderID, e))
	if ref.Operation.IsCharge() {
		return q.InsertEvent(ctx, row)
	}
	return q.InsertOperationEvent(ctx, toOperationEvent(row, ref.Operation))
}
