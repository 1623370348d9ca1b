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
// The INSERT comes first, in a transaction of its own. A SELECT … FOR UPDATE of a missing row would
// lock the gap for the new row; gap locks do not exclude each other, so two transactions that hold
// one and then insert deadlock. A failed INSERT keeps a shared lock on the row until its transaction
// ends, so two transactions that continue with FOR UPDATE deadlock as well.
func (s *Payments) Claim(
	ctx context.Context, request payment.ClaimRequest,
) (*payment.Payment, payment.Verdict, error) {
	if !request.Operation.IsCharge() {
		return s.claimOperation(ctx, request)
	}
	c := newInsertClaim(request)
	if err := s.writeClaim(ctx, c); err != nil {
		return nil, "", err
	}
	return &c.decision.Payment, c.decision.Verdict, nil
}

// insertClaim inserts the payment of a new order, and updates the payment of a known one.
type insertClaim struct {
	*rowUpdate

	request payment.ClaimRequest
	exists  bool // the order has a payment, so that an INSERT would fail
	// announced: endpoints receive an event of a new payment, which is stored in the same transaction.
	announced bool
}

func newInsertClaim(request payment.ClaimRequest) *insertClaim {
	c := &insertClaim{request: request, rowUpdate: newKeyUpdate(
		payment.Ref{OrderID: request.OrderID}, func(p payment.Payment, now time.Time) (payment.Decision, error) {
			return request.Decide(p, now), nil
		},
	)}
	// A retry after a lost answer may find the row of its own INSERT, and reads only the payment from it.
	c.decision.Verdict = request.OpenDecision(anyTime).Verdict
	return c
}

// writeClaim writes a claim together with others of its shard.
func (s *Payments) writeClaim(ctx context.Context, c *insertClaim) error {
	t, err := s.known(ctx)
	if err != nil {
		return err
	}
	if ctx, err = s.withSubscribers(ctx); err != nil {
		return err
	}
	if c.announced, err = subscribed(ctx, c.request.Operation, c.request.OpenDecision(anyTime).Payment.State); err != nil {
		return err
	}
	if c.announced {
		return writeBatched(ctx, s, nil, c)
	}
	return writeBatched(ctx, s, batcherOf(t, t.claims, c.order()), c)
}

// anyTime stands for the time of an INSERT, whose times are stored as offsets from the server's now.
var anyTime = time.Unix(0, 0)

// write is one try.
func (c *insertClaim) write(ctx context.Context, conn *sql.Conn) error {
	if !c.exists {
		if err := c.insert(ctx, conn); !c.exists {
			return err
		}
	}
	return c.rowUpdate.write(ctx, conn)
}

// insert sets c.exists if the order has a payment.
func (c *insertClaim) insert(ctx context.Context, conn *sql.Conn) error {
	if c.announced {
		return transact(ctx, conn, func(q *queries.Queries) error { return c.insertAnnounced(ctx, q) })
	}
	now, err := queries.New(conn).InsertPayment(ctx, textModeOf(ctx).insert(c.row()))
	if err != nil {
		c.exists = hasNumber(err, errDuplicateKey)
		return classifyCommit(fmt.Errorf("insert the payment: %w", err))
	}
	c.inserted(now)
	return nil
}

// insertAnnounced runs in a transaction. If the order has a payment, the transaction ends, because a failed INSERT
// keeps a lock.
func (c *insertClaim) insertAnnounced(ctx context.Context, q *queries.Queries) error {
	now, err := q.InsertPayment(ctx, textModeOf(ctx).insert(c.row()))
	if err != nil {
		c.exists = hasNumber(err, errDuplicateKey)
		return fmt.Errorf("insert the payment: %w", err)
	}
	c.inserted(now)
	return insertDeliveries(ctx, q, c.decision.Changes(payment.Payment{}, payment.Payment{}))
}

func (c *insertClaim) row() queries.InsertPaymentParams {
	return toInsert(c.request.Open(anyTime), anyTime, c.token)
}

// inserted sets the decision for a payment that was inserted at now, in microseconds since 1970.
func (c *insertClaim) inserted(now int64) {
	c.decision = c.request.OpenDecision(time.UnixMicro(now).UTC())
}
