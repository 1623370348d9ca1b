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
	m := newMove(settlement.OrderID, settlement.Apply)
	err := s.write(ctx, func(ctx context.Context, conn *sql.Conn) error {
		settled, err := settleAtOnce(ctx, conn, settlement)
		if settled || err != nil {
			return err
		}
		return m.make(ctx, conn)
	})
	if err != nil {
		return fmt.Errorf("settle payment: %w", err)
	}
	return nil
}

// Resolve implements ports.Payments.
func (s *Payments) Resolve(ctx context.Context, r payment.Resolution) error {
	if _, err := s.move(ctx, newMove(r.OrderID, r.Apply)); err != nil {
		return fmt.Errorf("resolve payment: %w", err)
	}
	return nil
}

// settleAtOnce writes the end of an attempt and a known outcome in one statement. It
// returns false where the settlement is another one, or the payment not as expected.
func settleAtOnce(ctx context.Context, conn *sql.Conn, settlement payment.Settlement) (bool, error) {
	params, ok := toSettle(settlement)
	if !ok {
		return false, nil
	}
	settled, err := queries.New(conn).SettlePayment(ctx, params)
	if err != nil {
		return false, atCommit(fmt.Errorf("update the payment: %w", err))
	}
	return settled == 1, nil
}

// toSettle lets the domain settle a payment that is just as the UPDATE will find it, and
// returns what that has changed. It returns false where that is more than the UPDATE writes.
func toSettle(settlement payment.Settlement) (queries.SettlePaymentParams, bool) {
	if settlement.End == nil || settlement.Event != "" || settlement.LaterRetry {
		return queries.SettlePaymentParams{}, false
	}
	started := time.Unix(0, 0) // any time will do: the end is counted from it
	d, err := settlement.Apply(payment.Payment{
		OrderID: settlement.OrderID, Fence: settlement.Fence, State: settlement.State,
		Attempt: payment.Attempt{Number: settlement.Attempt, StartedAt: started},
	}, started)
	p := d.Payment
	if err != nil || !d.Write || !p.State.Known() || check(p) != nil {
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
