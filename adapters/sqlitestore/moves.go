package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/core/payment"
	"paymentd/ports"
)

// Claim implements ports.Payments.
func (s *Payments) Claim(
	ctx context.Context, ask payment.ClaimRequest,
) (payment.Payment, payment.Verdict, error) {
	var d payment.Decision
	err := s.write(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		row, err := q.FindPayment(ctx, ask.OrderID)
		if noRows(err) {
			d = payment.Decision{Verdict: opened(ask), Payment: ask.Open(now), Write: true}
			return insert(ctx, q, d.Payment)
		}
		if err != nil {
			return fmt.Errorf("find the payment: %w", err)
		}
		p, err := fromRow(row.Payment, now)
		if err != nil {
			return err
		}
		if p.State != payment.StateSucceeded {
			if p.Keys, err = listKeys(ctx, q, p.OrderID); err != nil {
				return err
			}
		}
		d = ask.Decide(p, now)
		return store(ctx, q, p, d)
	})
	if err != nil {
		return payment.Payment{}, "", err
	}
	return d.Payment, d.Verdict, nil
}

// opened is the verdict on a new order.
func opened(ask payment.ClaimRequest) payment.Verdict {
	if ask.Deferred {
		return payment.VerdictAccepted
	}
	return payment.VerdictClaimed
}

// Renew implements ports.Payments.
func (s *Payments) Renew(ctx context.Context, r payment.Renewal) error {
	if _, err := s.move(ctx, r.OrderID, r.Apply); err != nil {
		return fmt.Errorf("renew the claim: %w", err)
	}
	return nil
}

// Settle implements ports.Payments.
func (s *Payments) Settle(ctx context.Context, settlement payment.Settlement) error {
	_, err := s.move(ctx, settlement.OrderID, settlement.Apply)
	return err
}

// Resolve implements ports.Payments.
func (s *Payments) Resolve(ctx context.Context, r payment.Resolution) error {
	if _, err := s.move(ctx, r.OrderID, r.Apply); err != nil {
		return fmt.Errorf("resolve payment: %w", err)
	}
	return nil
}

// Import implements ports.Payments.
func (s *Payments) Import(ctx context.Context, i payment.Import) (payment.Verdict, error) {
	var d payment.Decision
	err := s.write(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		p, err := find(ctx, q, i.OrderID, now)
		if errors.Is(err, ports.ErrNotFound) {
			p = i.Open(now)
			err = insert(ctx, q, p)
		}
		if err != nil {
			return err
		}
		if p.Keys, err = listKeys(ctx, q, p.OrderID); err != nil {
			return err
		}
		if d, err = i.Apply(p, now); err != nil {
			return err
		}
		return store(ctx, q, p, d)
	})
	if err != nil {
		return "", fmt.Errorf("import payment: %w", err)
	}
	return d.Verdict, nil
}

// move is one change of one payment: read it under the write lock, let the domain decide,
// write, commit.
func (s *Payments) move(
	ctx context.Context, id payment.OrderID,
	decide func(payment.Payment, time.Time) (payment.Decision, error),
) (d payment.Decision, err error) {
	err = s.write(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		p, err := find(ctx, q, id, now)
		if err != nil {
			return err
		}
		if p.Keys, err = listKeys(ctx, q, p.OrderID); err != nil {
			return err
		}
		if d, err = decide(p, now); err != nil {
			return err
		}
		return store(ctx, q, p, d)
	})
	return d, err
}

func insert(ctx context.Context, q *queries.Queries, p payment.Payment) error {
	row, err := toRow(p)
	if err != nil {
		return err
	}
	if err := q.InsertPayment(ctx, queries.InsertPaymentParams(row)); err != nil {
		return fmt.Errorf("insert the payment: %w", err)
	}
	return nil
}

// store writes a decision about a payment as it was read.
func store(ctx context.Context, q *queries.Queries, read payment.Payment, d payment.Decision) error {
	for _, key := range d.Keys {
		if err := q.PutGatewayKey(ctx, toKeyRow(read.OrderID, key)); err != nil {
			return fmt.Errorf("keep the key: %w", err)
		}
	}
	if !d.Write {
		return nil
	}
	row, err := toRow(d.Payment)
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
	if d.PriorAttempt != nil {
		if err := q.InsertAttempt(ctx, toAttempt(read.OrderID, *d.PriorAttempt)); err != nil {
			return fmt.Errorf("keep the attempt: %w", err)
		}
	}
	if d.Event != nil {
		if err := q.InsertEvent(ctx, toEvent(read.OrderID, *d.Event)); err != nil {
			return fmt.Errorf("keep the event: %w", err)
		}
	}
	return nil
}

func find(ctx context.Context, q *queries.Queries, id payment.OrderID, now time.Time) (payment.Payment, error) {
	row, err := q.FindPayment(ctx, id)
	if noRows(err) {
		return payment.Payment{}, ports.ErrNotFound
	}
	if err != nil {
		return payment.Payment{}, fmt.Errorf("find the payment: %w", err)
	}
	return fromRow(row.Payment, now)
}
