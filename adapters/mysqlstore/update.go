package mysqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
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
	// imported is an operation other than a charge in the gateway's records, which may be new. It replaces decide.
	imported *payment.Import
	// exists: the operation of the request is known to exist.
	exists bool
	mode   lockMode
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
	ctx, err := s.withSubscribers(ctx)
	if err == nil {
		err = s.write(ctx, u.write)
	}
	return u.decision, err
}

// write is one try, in one transaction, or in two if an operation that seemed to be new is there already.
func (u *rowUpdate) write(ctx context.Context, conn *sql.Conn) error {
	once := func() error {
		return transact(ctx, conn, func(q *queries.Queries) error { return u.apply(ctx, q) })
	}
	err := once()
	if u.request != nil && !u.exists && hasNumber(err, errDuplicateKey) {
		u.exists = true
		err = once()
	}
	return err
}

// apply runs in the transaction.
func (u *rowUpdate) apply(ctx context.Context, q *queries.Queries) error {
	row, err := u.lock(ctx, q)
	if err != nil {
		return err
	}
	if u.needsChargeKeys() {
		if row.payment.Keys, err = listKeys(ctx, q, payment.Ref{OrderID: u.ref.OrderID}); err != nil {
			return err
		}
	}
	if !u.ref.Operation.IsCharge() {
		if begun, err := u.begin(ctx, q, row); begun || err != nil {
			return err
		}
		if row, err = lockOperation(ctx, q, u.ref, row); err != nil {
			return err
		}
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

// needsChargeKeys reports whether the decision about an operation needs the records of its charge's keys.
func (u *rowUpdate) needsChargeKeys() bool {
	return u.request != nil && u.request.SecondTransaction != "" || u.imported != nil && u.imported.Operation.RefundsSecondCharge()
}

// begin inserts an operation without looking for it first, if the row of its payment says that the payment has no
// operation. The previous version does not count them, so that the INSERT may find a duplicate; see write. It returns
// false if nothing was written.
func (u *rowUpdate) begin(ctx context.Context, q *queries.Queries, charge lockedRow) (bool, error) {
	if u.request == nil || u.exists || charge.payment.Operations > 0 || charge.payment.RefundReserved > 0 {
		return false, nil
	}
	row := newOperation(charge)
	if d, err := u.decideOn(row); err == nil && d.Write {
		u.decision = d
		return true, store(ctx, q, row, d, u.token)
	}
	return false, nil
}

// decideOn lets the domain decide about a locked row.
func (u *rowUpdate) decideOn(row lockedRow) (payment.Decision, error) {
	var stored *payment.Payment
	if row.exists {
		stored = &row.payment
	}
	switch {
	case u.request != nil:
		return u.request.DecideOperation(row.charge, stored, row.readAt)
	case u.imported != nil:
		return u.imported.ApplyOperation(row.charge, stored, row.readAt)
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
	// charge is the operation's payment, whose row is locked as well, and chargeToken its claim token.
	charge      payment.Payment
	chargeToken int64
}

// lockMode is what happens if another transaction has locked the row of a payment.
type lockMode int

const (
	waitForLock lockMode = iota
	skipLocked
	failLocked // for a server whose SKIP LOCKED locks nothing
)

// errLocked: another transaction has locked the row. Nothing was written.
var errLocked = errors.New("another transaction has locked the payment")

// lock locks the row of the payment. It returns ports.ErrNotFound if there is no such payment.
func (u *rowUpdate) lock(ctx context.Context, q *queries.Queries) (lockedRow, error) {
	row, err := lockPayment(ctx, q, u.ref.OrderID, u.mode)
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
	return lockedRow{payment: p, claimToken: row.Payment.ClaimToken, readAt: row.ReadAt, exists: true}, nil
}

func lockPayment(ctx context.Context, q *queries.Queries, id payment.OrderID, mode lockMode) (queries.LockPaymentRow, error) {
	var rows []queries.LockPaymentRow
	switch mode {
	case waitForLock:
		return q.LockPayment(ctx, id)
	case skipLocked:
		free, err := q.LockFreePayment(ctx, id)
		if err != nil {
			return queries.LockPaymentRow{}, err
		}
		for _, row := range free {
			rows = append(rows, queries.LockPaymentRow(row))
		}
	case failLocked:
		free, err := q.LockPaymentNoWait(ctx, id)
		if err != nil && !hasNumber(err, errLockNoWait) {
			return queries.LockPaymentRow{}, err
		}
		for _, row := range free {
			rows = append(rows, queries.LockPaymentRow(row))
		}
	}
	if len(rows) > 0 {
		return rows[0], nil
	}
	stored, err := q.ListOpened(ctx, []payment.OrderID{id})
	if err == nil && len(stored) == 0 {
		err = sql.ErrNoRows
	}
	return queries.LockPaymentRow{}, cmp.Or(err, errLocked)
}

// store writes a decision about a locked row, with the events that endpoints receive of it.
func store(ctx context.Context, q *queries.Queries, row lockedRow, d payment.Decision, token int64) error {
	if err := storeDecision(ctx, q, row, d, token); err != nil {
		return err
	}
	return insertDeliveries(ctx, q, d.Changes(row.payment, row.charge))
}

// storeDecision is store without the events.
func storeDecision(ctx context.Context, q *queries.Queries, row lockedRow, d payment.Decision, token int64) error {
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
		if err := updateRow(ctx, q, row.charge, *d.Charge, row.chargeToken, token); err != nil {
			return err
		}
	}
	if !row.exists {
		return insertNew(ctx, q, d, token)
	}
	if err := updateRow(ctx, q, row.payment, d.Payment, row.claimToken, token); err != nil {
		return err
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

// insertNew stores a new operation, with its event if it has one. The INSERT has no outcome, which an imported
// operation has already.
func insertNew(ctx context.Context, q *queries.Queries, d payment.Decision, token int64) error {
	err := insertOperation(ctx, q, d.Payment, token)
	if err == nil && d.Payment.RoundOver() {
		err = updateRow(ctx, q, d.Payment, d.Payment, token, token)
	}
	if err != nil || d.Event == nil {
		return err
	}
	if err := insertEvent(ctx, q, d.Payment.Ref(), *d.Event); err != nil {
		return fmt.Errorf("insert the event: %w", err)
	}
	return nil
}

// The statements below write the tables of payments, or those of other operations.

// updateRow writes a locked row that was read with the claim token tokenRead. token is stored with a new fencing
// token.
func updateRow(ctx context.Context, q *queries.Queries, read, p payment.Payment, tokenRead, token int64) error {
	if p.Fence == read.Fence {
		token = tokenRead // the claim has not changed hands
	}
	update, err := toUpdate(p, read, token)
	if err != nil {
		return fmt.Errorf("update the payment: %w", err)
	}
	update = textModeOf(ctx).update(update)
	var updated int64
	if p.Operation.IsCharge() {
		updated, err = q.UpdatePayment(ctx, update)
	} else {
		updated, err = q.UpdateOperation(ctx, toOperationUpdate(update, p.Operation))
	}
	if err != nil {
		return fmt.Errorf("update the payment: %w", err)
	}
	if updated != 1 {
		return fmt.Errorf("update order %q: %w", p.OrderID, errRowChanged)
	}
	return nil
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
