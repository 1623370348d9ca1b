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
	ctx context.Context, ask payment.ClaimRequest,
) (payment.Payment, payment.Verdict, error) {
	o := newOpening(ask)
	if err := s.writeTogether(ctx, s.opening(o), o.make); err != nil {
		return payment.Payment{}, "", err
	}
	return o.decision.Payment, o.decision.Verdict, nil
}

// opening is a claim: it inserts the payment of a new order, and otherwise moves the one
// that is there.
type opening struct {
	*move

	ask   payment.ClaimRequest
	known bool // the order has a payment: there is nothing to insert
}

func newOpening(ask payment.ClaimRequest) *opening {
	o := &opening{ask: ask, move: newKeyMove(
		ask.OrderID, func(p payment.Payment, now time.Time) (payment.Decision, error) {
			return ask.Decide(p, now), nil
		},
	)}
	o.decision.Verdict = o.verdict()
	return o
}

// make is one try.
func (o *opening) make(ctx context.Context, conn *sql.Conn) error {
	if !o.known {
		if err := o.insert(ctx, conn); !o.known {
			return err
		}
	}
	return o.move.make(ctx, conn)
}

// insert stores the payment of a new order, and learns whether the order is known.
func (o *opening) insert(ctx context.Context, conn *sql.Conn) error {
	now, err := queries.New(conn).InsertPayment(ctx, wordingOf(ctx).insert(o.row()))
	if err != nil {
		o.known = hasNumber(err, errDuplicateKey)
		return atCommit(fmt.Errorf("insert the payment: %w", err))
	}
	o.inserted(now)
	return nil
}

func (o *opening) row() queries.InsertPaymentParams {
	someTime := time.Unix(0, 0) // any will do: the row's times are counted from the server's now
	return toInsert(o.ask.Open(someTime), someTime, o.token)
}

// inserted takes note of the payment that was stored at now, in microseconds since 1970.
func (o *opening) inserted(now int64) {
	o.decision = payment.Decision{
		Verdict: o.verdict(), Payment: o.ask.Open(time.UnixMicro(now).UTC()), Write: true,
	}
}

// verdict is that on a new order.
func (o *opening) verdict() payment.Verdict {
	if o.ask.Deferred {
		return payment.VerdictAccepted
	}
	return payment.VerdictClaimed
}
