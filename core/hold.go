package core

import (
	"context"
	"errors"
	"fmt"
	"time"

	"paymentd/core/payment"
)

// Capture takes money that an authorized payment holds, once: all of it, or r.Money. The rest is released. It
// returns as [Service.Refund] does.
func (s *Service) Capture(ctx context.Context, r Request) (Answer, error) {
	if err := r.Validate(); err != nil {
		return Answer{}, err
	}
	if r.Operation.Kind != payment.KindCapture {
		return Answer{}, errOtherKind
	}
	return s.operate(ctx, r)
}

// Void releases the money that an authorized payment holds, or cancels a pending one, so that the order takes no
// money. It returns as [Service.Refund] does. The answer to the cancellation of a pending payment is StateSucceeded
// once the gateway has proved it; the payment is declined then, with the code [payment.DeclineAbandoned].
func (s *Service) Void(ctx context.Context, r Request) (Answer, error) {
	if err := r.Validate(); err != nil {
		return Answer{}, err
	}
	if r.Operation.Kind != payment.KindVoid {
		return Answer{}, errOtherKind
	}
	p, err := s.payments.Find(ctx, r.OrderID)
	if err != nil {
		return Answer{}, fmt.Errorf("find payment: %w", err)
	}
	if p.State == payment.StatePending {
		after, err := s.cancel(ctx, p)
		if err != nil {
			return Answer{}, err
		}
		p = *after
	}
	switch {
	case p.State == payment.StateDeclined && p.Code == payment.DeclineAbandoned:
		return Answer{OrderID: p.OrderID, Operation: r.Operation, Money: p.Money, State: payment.StateSucceeded}, nil
	case p.State == payment.StatePending:
		a := s.answer(&p, false)
		a.Operation = r.Operation
		return a, nil
	}
	return s.operate(ctx, r)
}

// cancel asks the gateway to cancel a pending payment, and returns the payment as it is then.
func (s *Service) cancel(ctx context.Context, p payment.Payment) (*payment.Payment, error) {
	if rules, _ := s.rules().At(p.Gateway); !rules.Cancels {
		return nil, &payment.OperationRefusedError{State: p.State, Why: "the payment is pending, and its gateway cannot " +
			"cancel it; wait for its outcome"}
	}
	if !s.work.begin() {
		return &p, nil // the service is stopping: another replica takes the next request
	}
	defer s.work.end()
	r := s.claimRequest(Request{OrderID: p.OrderID, Money: p.Money, Capture: p.Capture}, false)
	r.Cancel = true
	began := time.Now()
	claimed, verdict, err := s.payments.Claim(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("claim payment: %w", err)
	}
	if verdict != payment.VerdictCancel {
		return claimed, nil // its state has changed, or it was looked up a moment ago
	}
	after, err := s.reconcile(context.WithoutCancel(ctx), s.newClaim(claimed, began), true)
	if errors.Is(err, payment.ErrFenced) {
		return claimed, nil // another lookup has its answer
	}
	return after, inDoubt(err)
}
