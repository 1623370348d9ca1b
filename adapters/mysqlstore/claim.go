package mysqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/payment"
)

// Claim implements ports.Payments.
//
// The INSERT comes first and is a transaction of its own. Looking first would lock the
// gap where a new order's row will be, which others may lock as well: two who then insert
// are a deadlock. So are two whose INSERT has failed and who keep the lock that it took
// on the row, in one transaction with the FOR UPDATE that follows.
func (s *Payments) Claim(
	ctx context.Context, ask payment.Ask,
) (payment.Payment, payment.Verdict, error) {
	m := newMove(ask.OrderID, func(p payment.Payment, now time.Time) (payment.Decision, error) {
		return ask.Decide(p, now), nil
	})
	m.decision.Verdict = opened(ask)
	err := s.write(ctx, func(ctx context.Context, conn *sql.Conn) error {
		err := m.open(ctx, conn, ask)
		if hasNumber(err, errDuplicateKey) {
			return m.make(ctx, conn)
		}
		return err
	})
	if err != nil {
		return payment.Payment{}, "", fmt.Errorf("claim payment: %w", err)
	}
	return m.decision.Payment, m.decision.Verdict, nil
}

// open inserts the payment of a new order.
func (m *move) open(ctx context.Context, conn *sql.Conn, ask payment.Ask) error {
	someTime := time.Unix(0, 0) // any will do: the row's times are counted from the server's now
	now, err := queries.New(conn).InsertPayment(ctx, toInsert(ask.Open(someTime), someTime, m.token))
	if err != nil {
		return atCommit(fmt.Errorf("insert the payment: %w", err))
	}
	m.decision = payment.Decision{
		Verdict: opened(ask), Payment: ask.Open(time.UnixMicro(now).UTC()), Write: true,
	}
	return nil
}

// opened is the verdict on a new order.
func opened(ask payment.Ask) payment.Verdict {
	if ask.Later {
		return payment.VerdictAccepted
	}
	return payment.VerdictClaimed
}
