package mysqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/payment"
)

// Renew implements ports.Payments.
func (s *Payments) Renew(ctx context.Context, r payment.Renewal) error {
	if _, err := s.update(ctx, newKeyUpdate(r.Ref(), r.Apply)); err != nil {
		return fmt.Errorf("renew the claim: %w", err)
	}
	return nil
}

// Settle implements ports.Payments. A final outcome of a payment is one UPDATE, which matches the row only
// if the payment is in the state that the settlement expects, and so is the success of another operation that changes
// nothing of its payment. Otherwise the row is locked, and the domain decides.
func (s *Payments) Settle(ctx context.Context, settlement payment.Settlement) error {
	ctx, err := s.withSubscribers(ctx)
	if err != nil {
		return err
	}
	row, fast := toFastSettle(settlement)
	if announced, err := subscribed(ctx, settlement.Operation, row.NewState); err != nil {
		return err
	} else if announced {
		fast = false // its event is stored in the same transaction
	}
	f := &fastSettle{settlement: settlement, row: row, needsLock: !fast}
	if !fast || !settlement.Operation.IsCharge() {
		return s.write(ctx, f.write)
	}
	t, err := s.known(ctx)
	if err != nil {
		return err
	}
	return writeBatched(ctx, s, batcherOf(t, t.settlements, f.order()), f)
}

// fastSettle stores the end of an attempt and a final outcome, in one UPDATE if the row permits it.
type fastSettle struct {
	settlement payment.Settlement
	row        queries.SettlePaymentParams
	needsLock  bool // the UPDATE does not apply: the domain must see the row
	slow       *rowUpdate
}

// write is one try.
func (f *fastSettle) write(ctx context.Context, conn *sql.Conn) error {
	if !f.needsLock {
		if err := f.update(ctx, conn); !f.needsLock {
			return err
		}
	}
	if f.slow == nil {
		f.slow = newRowUpdate(f.settlement.Ref(), f.settlement.Apply)
		f.slow.needsKeys = f.settlement.NeedsKeys()
	}
	return f.slow.write(ctx, conn)
}

// update sets f.needsLock if no row matched.
func (f *fastSettle) update(ctx context.Context, conn *sql.Conn) error {
	settled, err := settle(ctx, queries.New(conn), textModeOf(ctx).settle(f.row), f.settlement.Operation)
	if err != nil {
		return classifyCommit(fmt.Errorf("update the payment: %w", err))
	}
	if f.needsLock = settled != 1; f.needsLock {
		return errNotBatched
	}
	return nil
}

func settle(
	ctx context.Context, q *queries.Queries, row queries.SettlePaymentParams, id payment.OperationID,
) (settled int64, err error) {
	if id.IsCharge() {
		return q.SettlePayment(ctx, row)
	}
	return q.SettleOperation(ctx, queries.SettleOperationParams{
		NewState: row.NewState, TransactionID: row.TransactionID, Code: row.Code, Reason: row.Reason,
		TookMicros: row.TookMicros, AttemptClass: row.AttemptClass, AttemptCode: row.AttemptCode,
		AttemptMessage: row.AttemptMessage, OrderID: row.OrderID, OperationKind: id.Kind, OperationName: id.Name,
		Fence: row.Fence, State: row.State, AttemptNumber: row.AttemptNumber,
	})
}

// toFastSettle applies the settlement to a payment that is as the UPDATE requires it, and returns
// what changed. It returns false if that is more than the UPDATE writes.
func toFastSettle(settlement payment.Settlement) (queries.SettlePaymentParams, bool) {
	if !settlement.KeepsCharge() || settlement.End == nil || settlement.Event != "" || settlement.DeferredRetry {
		return queries.SettlePaymentParams{}, false
	}
	started := anyTime // the end is stored as an offset from it
	d, err := settlement.Apply(payment.Payment{
		OrderID: settlement.OrderID, Operation: settlement.Operation, Fence: settlement.Fence, State: settlement.State,
		Attempt: payment.Attempt{Number: settlement.Attempt, StartedAt: started},
	}, started)
	p := d.Payment
	success := p.State == payment.StateSucceeded
	if err != nil || !d.Write || !p.State.Final() || !success && !settlement.Operation.IsCharge() ||
		(success || p.State == payment.StateVoided) && p.TransactionID == "" { // Payment.Validate refuses it
		return queries.SettlePaymentParams{}, false
	}
	return queries.SettlePaymentParams{
		NewState: p.State, TransactionID: []byte(p.TransactionID), Code: p.Code, Reason: p.Reason,
		TookMicros:   p.Attempt.EndedAt.Sub(started).Microseconds(),
		AttemptClass: p.Attempt.Class, AttemptCode: p.Attempt.Code, AttemptMessage: p.Attempt.Message,
		OrderID: settlement.OrderID, Fence: settlement.Fence, State: settlement.State,
		AttemptNumber: settlement.Attempt,
	}, true
}
