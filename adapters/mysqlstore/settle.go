package mysqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/payment"
)

// Renew implements ports.Payments.
func (s *Payments) Renew(ctx context.Context, r payment.Renewal) error {
	if _, err := s.move(ctx, newMove(r.OrderID, r.Apply)); err != nil {
		return fmt.Errorf("renew the claim: %w", err)
	}
	return nil
}

// Settle implements ports.Payments. The common end of a payment is one UPDATE, which
// finds the payment as the settlement expects it or does nothing; what it does not find is
// locked and looked at.
func (s *Payments) Settle(ctx context.Context, settlement payment.Settlement) error {
	row, expected := toSettle(settlement)
	st := &settling{settlement: settlement, row: row, unexpected: !expected}
	if expected {
		return s.writeTogether(ctx, s.settling(st), st.make)
	}
	return s.write(ctx, st.make)
}

// Resolve implements ports.Payments.
func (s *Payments) Resolve(ctx context.Context, r payment.Resolution) error {
	if _, err := s.move(ctx, newKeyMove(r.OrderID, r.Apply)); err != nil {
		return fmt.Errorf("resolve payment: %w", err)
	}
	return nil
}

// settling is the end of an attempt and a known outcome, which one statement can write where the
// payment stands as expected.
type settling struct {
	settlement payment.Settlement
	row        queries.SettlePaymentParams
	unexpected bool // the payment stands otherwise: the domain must look at it
	move       *move
}

// make is one try.
func (st *settling) make(ctx context.Context, conn *sql.Conn) error {
	if !st.unexpected {
		if err := st.update(ctx, conn); !st.unexpected {
			return err
		}
	}
	if st.move == nil {
		st.move = newMove(st.settlement.OrderID, st.settlement.Apply)
	}
	return st.move.make(ctx, conn)
}

// update settles the payment where it stands as expected, and learns whether it does.
func (st *settling) update(ctx context.Context, conn *sql.Conn) error {
	settled, err := queries.New(conn).SettlePayment(ctx, wordingOf(ctx).settle(st.row))
	if err != nil {
		return atCommit(fmt.Errorf("update the payment: %w", err))
	}
	if st.unexpected = settled != 1; st.unexpected {
		return errAlone
	}
	return nil
}

// toSettle lets the domain settle a payment that is just as the UPDATE will find it, and
// returns what that has changed. It returns false where that is more than the UPDATE writes.
func toSettle(settlement payment.Settlement) (queries.SettlePaymentParams, bool) {
	if settlement.End == nil || settlement.Event != "" || settlement.DeferredRetry {
		return queries.SettlePaymentParams{}, false
	}
	started := time.Unix(0, 0) // any time will do: the end is counted from it
	d, err := settlement.Apply(payment.Payment{
		OrderID: settlement.OrderID, Fence: settlement.Fence, State: settlement.State,
		Attempt: payment.Attempt{Number: settlement.Attempt, StartedAt: started},
	}, started)
	p := d.Payment
	if err != nil || !d.Write || !p.State.Final() ||
		p.State == payment.StateSucceeded && p.TransactionID == "" { // which Validate refuses
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
