package core

import (
	"context"
	"errors"

	"paymentd/core/payment"
	"paymentd/ports"
)

// Resolve settles an unresolved payment as a person decided. The errors are *payment.FieldError,
// ports.ErrNotFound and *payment.NotUnresolvedError.
func Resolve(ctx context.Context, payments ports.Payments, r payment.Resolution) error {
	if err := r.Check(); err != nil {
		return err
	}
	return payments.Resolve(ctx, r)
}

// Import writes a charge from the gateway's books, so that its order is never charged again. It
// returns false if the charge is stored already. After ports.ErrUnavailable and ports.ErrInDoubt,
// the import is safe to repeat.
func Import(ctx context.Context, payments ports.Payments, i payment.Import) (bool, error) {
	if err := i.Check(); err != nil {
		return false, err
	}
	verdict, err := payments.Import(ctx, i)
	if err != nil {
		return false, err
	}
	return verdict == payment.VerdictWritten, nil
}

// WouldImport returns what [Import] would return, and writes nothing.
func WouldImport(ctx context.Context, payments ports.Payments, i payment.Import) (bool, error) {
	if err := i.Check(); err != nil {
		return false, err
	}
	p, err := payments.Find(ctx, i.OrderID)
	if errors.Is(err, ports.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	d, err := i.Apply(p, p.SeenAt)
	return d.Write, err
}
