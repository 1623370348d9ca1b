package sqlitestore

import (
	"context"
	"fmt"
	"time"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/core/payment"
)

// update makes one change of one payment or other operation: read it under the write lock, let the domain
// decide, write, commit.
func (s *Payments) update(
	ctx context.Context, ref payment.Ref,
	decide func(payment.Payment, time.Time) (payment.Decision, error),
) (d payment.Decision, err error) {
	err = s.writeChange(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		d, err = update(ctx, q, ref, decide, now)
		return err
	})
	return d, err
}

// update is [Payments.update] within a transaction.
func update(
	ctx context.Context, q *queries.Queries, ref payment.Ref,
	decide func(payment.Payment, time.Time) (payment.Decision, error), now time.Time,
) (payment.Decision, error) {
	if !ref.Operation.IsCharge() {
		return updateOperation(ctx, q, ref, decide, now)
	}
	p, err := find(ctx, q, ref.OrderID, now)
	if err != nil {
		return payment.Decision{}, err
	}
	if p.Keys, err = listKeys(ctx, q, p.OrderID); err != nil {
		return payment.Decision{}, err
	}
	d, err := decide(p, now)
	if err != nil {
		return payment.Decision{}, err
	}
	return d, store(ctx, q, p, d)
}

// store writes a decision about a payment that was read in the same transaction, with the events that endpoints
// receive of it.
func store(ctx context.Context, q *queries.Queries, read payment.Payment, d payment.Decision) error {
	if err := storeDecision(ctx, q, read, d); err != nil {
		return err
	}
	return insertDeliveries(ctx, q, d.Changes(read, payment.Payment{}))
}

// storeDecision is store without the events.
func storeDecision(ctx context.Context, q *queries.Queries, read payment.Payment, d payment.Decision) error {
	for _, key := range d.Keys {
		if err := q.PutGatewayKey(ctx, toKeyRow(read.OrderID, key)); err != nil {
			return fmt.Errorf("store the key: %w", err)
		}
	}
	if !d.Write {
		return nil
	}
	if err := updatePayment(ctx, q, read, d.Payment); err != nil {
		return err
	}
	if d.PriorAttempt != nil {
		if err := q.InsertAttempt(ctx, toAttempt(read.OrderID, *d.PriorAttempt)); err != nil {
			return fmt.Errorf("insert the attempt: %w", err)
		}
	}
	if d.Event != nil {
		if err := q.InsertEvent(ctx, toEvent(read.OrderID, *d.Event)); err != nil {
			return fmt.Errorf("insert the event: %w", err)
		}
	}
	return nil
}

// updatePayment writes the row of a payment that was read in the same transaction.
func updatePayment(ctx context.Context, q *queries.Queries, read, p payment.Payment) error {
	row, err := toRow(p)
	if err != nil {
		return err
	}
	updated, err := q.UpdatePayment(ctx, toUpdate(row, read.Fence))
	if err != nil {
		return fmt.Errorf("update the payment: %w", err)
	}
	if updated != 1 {
		return fmt.Errorf("update the payment: %d rows of order %q under the write lock", updated, read.OrderID)
	}
	return nil
}
