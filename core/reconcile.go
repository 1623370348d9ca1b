package core

import (
	"context"
	"errors"

	"paymentd/core/payment"
	"paymentd/ports"
)

// reconcile asks the gateway what became of an unresolved payment, and settles it if the
// gateway knows. It never charges. When it does not know, nothing is written: the next lookup
// was put off as this one was claimed.
func (s *Service) reconcile(ctx context.Context, c *claim) {
	p := c.payment
	st := payment.Settlement{
		Hold:    p.Hold(),
		Outcome: s.lookUp(ctx, c),
		Event:   payment.EventReconciled,
	}
	if !st.Outcome.State.Known() {
		s.log.Warn("payment still unresolved", "order_id", p.OrderID, "gateway_key", p.GatewayKey, "lookups", p.Lookups,
			"reason", st.Outcome.Reason, "next_lookup", p.DueAt)
		return
	}
	s.retryLater(p, &st)
	if _, err := s.settle(ctx, c, st); err != nil {
		s.log.Warn("the payment was left to another worker", "order_id", p.OrderID, "error", err)
	}
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
