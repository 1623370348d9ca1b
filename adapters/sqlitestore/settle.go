package sqlitestore

import (
	"context"
	"fmt"

	"paymentd/core/payment"
)

// Renew implements ports.Payments.
func (s *Payments) Renew(ctx context.Context, r payment.Renewal) error {
	if _, err := s.update(ctx, r.Ref(), r.Apply); err != nil {
		return fmt.Errorf("renew the claim: %w", err)
	}
	return nil
}

// Settle implements ports.Payments.
func (s *Payments) Settle(ctx context.Context, settlement payment.Settlement) error {
	_, err := s.update(ctx, settlement.Ref(), settlement.Apply)
	return err
}
