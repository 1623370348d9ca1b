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

// Resolve implements ports.Payments.
func (s *Payments) Resolve(ctx context.Context, r payment.Resolution) error {
	if _, err := s.update(ctx, payment.Ref{OrderID: r.OrderID, Operation: r.Operation}, r.Apply); err != nil {
		return fmt.Errorf("resolve payment: %w", err)
	}
	return nil
}

// Import implements ports.Payments.
func (s *Payments) Import(ctx context.Context, i payment.Import) (payment.Verdict, error) {
	var d payment.Decision
	err := s.writeChange(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) (err error) {
		if !i.Operation.IsCharge() {
			d, err = importOperation(ctx, q, i, now)
			return err
		}
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
