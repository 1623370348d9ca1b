package mysqlstore

import (
	"context"

	"paymentd/core/payment"
	"paymentd/ports"
)

// FindOperation implements ports.Payments.
func (s *Payments) FindOperation(context.Context, payment.Ref) (payment.Payment, error) {
	return payment.Payment{}, ports.ErrNotFound
}
