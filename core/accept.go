package core

import (
	"context"
	"fmt"

	"paymentd/core/payment"
)

// accept stores the payment for the queue, and charges nothing.
func (s *Service) accept(ctx context.Context, r Request) (Answer, error) {
	p, verdict, err := s.payments.Claim(ctx, s.claimRequest(r, true))
	if err != nil {
		return Answer{}, fmt.Errorf("accept payment: %w", err)
	}
	if err := notAccepted(verdict); err != nil {
		return Answer{}, err
	}
	if verdict == payment.VerdictReplay {
		return s.answer(p, true), nil
	}
	s.wakeQueue()
	if p.State == payment.StateProcessing {
		p.State = payment.StateScheduled // the caller sees the same
	}
	a := s.answer(p, false)
	a.Async = r.Async
	return a, nil
}

// notAccepted returns why a deferred claim was not accepted; nil if it was, or if there is nothing more to do.
func notAccepted(v payment.Verdict) error {
	switch v {
	case payment.VerdictMismatch:
		return ErrMismatch
	case payment.VerdictForeign:
		return ErrForeignGateway
	case payment.VerdictKeyOpen:
		return ErrKeyOpen
	case payment.VerdictVoided:
		return ErrVoided
	default:
		return nil
	}
}
