package core

import (
	"context"
	"errors"

	"paymentd/core/payment"
	"paymentd/ports"
)

// reconcile looks up an unresolved payment at the gateway, and records the answer. It never
// charges. It returns the payment as it then is.
func (s *Service) reconcile(ctx context.Context, c *claim) (*payment.Payment, error) {
	how := completion{lookup: s.lookUp(ctx, c, payment.Result{})}
	p, err := s.settle(ctx, c, how)
	switch {
	case errors.Is(err, payment.ErrFenced):
		return p, err // the payment has gone on meanwhile
	case err != nil:
		s.log.Warn("a lookup could not be recorded; it is repeated later",
			"order_id", c.payment.OrderID, "gateway_key", c.payment.GatewayKey, "error", err)
	case p.State == payment.StateUnresolved:
		s.log.Warn("payment still unresolved", "order_id", p.OrderID, "gateway_key", p.GatewayKey, "lookups", p.Lookups,
			"reason", p.Reason, "next_lookup", p.DueAt)
	}
	return p, err
}

// Resolve settles an unresolved payment by a person's word. The errors are
// *payment.FieldError, ports.ErrNotFound and *payment.NotUnresolvedError.
func Resolve(ctx context.Context, payments ports.Payments, r payment.Resolution) error {
	if err := r.Check(); err != nil {
		return err
	}
	return payments.Resolve(ctx, r)
}

// WouldImport is [Import] without writing anything.
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

// Import writes a charge that the gateway's books have, so that its order is never charged again.
// It returns false where the table had it. ErrUnavailable and ErrInDoubt of package ports: do
// it again.
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
