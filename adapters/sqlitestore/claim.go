package sqlitestore

import (
	"context"
	"fmt"
	"time"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/core/payment"
)

// Claim implements ports.Payments.
func (s *Payments) Claim(
	ctx context.Context, request payment.ClaimRequest,
) (*payment.Payment, payment.Verdict, error) {
	var d payment.Decision
	err := s.writeChange(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) (err error) {
		if !request.Operation.IsCharge() {
			d, err = claimOperation(ctx, q, request, now)
			return err
		}
		row, err := q.FindPayment(ctx, request.OrderID)
		if isNotFound(err) {
			d = request.OpenDecision(now)
			if err := insert(ctx, q, d.Payment); err != nil {
				return err
			}
			return insertDeliveries(ctx, q, d.Changes(payment.Payment{}, payment.Payment{}))
		}
		if err != nil {
			return fmt.Errorf("find the payment: %w", err)
		}
		p, err := fromRow(row.Payment, now)
		if err != nil {
			return err
		}
		if !p.State.Approved() {
			if p.Keys, err = listKeys(ctx, q, p.OrderID); err != nil {
				return err
			}
		}
		d = request.Decide(p, now)
		return store(ctx, q, p, d)
	})
	if err != nil {
		return nil, "", err
	}
	return &d.Payment, d.Verdict, nil
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
