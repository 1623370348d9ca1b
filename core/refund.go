package core

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"paymentd/core/payment"
	"paymentd/ports"
)

// Refund gives money of a succeeded payment back, exactly once for each refund id. r.Operation is the refund. It
// returns as [Service.Process] does. The errors are those of Process, and ports.ErrNotFound (the order has no
// payment), payment.ErrChargeOpen (the outcome of the payment is not known yet), and a
// *payment.OperationRefusedError (less is left than was asked for, or the payment cannot be refunded).
func (s *Service) Refund(ctx context.Context, r Request) (Answer, error) {
	if err := r.Validate(); err != nil {
		return Answer{}, err
	}
	if r.Operation.Kind != payment.KindRefund {
		return Answer{}, errOtherKind
	}
	return s.operate(ctx, r)
}

// operate processes a request for an operation other than a charge.
func (s *Service) operate(ctx context.Context, r Request) (Answer, error) {
	if r.Async || !s.work.begin() {
		return s.accept(ctx, r)
	}
	defer s.work.end()
	if err := s.checkReachable(ctx, r); err != nil {
		return Answer{}, err
	}
	return s.run(ctx, r)
}

// checkReachable refuses an operation that would begin while its gateway cannot be reached, so that it reserves
// nothing. An operation that was begun before is replayed or finished.
func (s *Service) checkReachable(ctx context.Context, r Request) error {
	unavailable, retryIn := s.gateways.unavailable()
	if len(unavailable) == 0 {
		return nil
	}
	_, err := s.payments.FindOperation(ctx, r.ref())
	if !errors.Is(err, ports.ErrNotFound) {
		return err
	}
	charge, err := s.payments.Find(ctx, r.OrderID)
	if err != nil {
		return fmt.Errorf("find payment: %w", err)
	}
	if slices.Contains(unavailable, charge.Gateway) {
		return &GatewaysUnavailableError{RetryAfter: retryIn}
	}
	return nil
}
