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
// once the gateway has proved it; the payment is declined then, with the code [payment.DeclineAbandoned]. Until then, it
// is StatePending: the cancellation is stored, and the queue asks the gateway until the payment is decided.
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
	replayed := cancelled(p)
	if p.State == payment.StatePending {
		after, err := s.cancel(ctx, r, p)
		if err != nil {
			return Answer{}, err
		}
		p = *after
	}
	switch {
	case cancelled(p):
		return Answer{
			OrderID: p.OrderID, Operation: r.Operation, Money: p.Money, State: payment.StateSucceeded, Replayed: replayed,
		}, nil
	case p.State == payment.StatePending:
		a := s.answer(&p, false)
		a.Operation, a.Async = r.Operation, r.Async
		return a, nil
	}
	return s.operate(ctx, r)
}

// cancelled reports whether a pending payment was cancelled.
func cancelled(p payment.Payment) bool {
	return p.State == payment.StateDeclined && p.Code == payment.DeclineAbandoned
}

// cancel stores that a pending payment is to be cancelled, asks the gateway for it, and waits for the outcome for as
// long as the request permits. It returns the payment as it is then. While it is pending, the queue asks again, also
// if this process ends.
func (s *Service) cancel(ctx context.Context, r Request, p payment.Payment) (*payment.Payment, error) {
	deadline := time.Now().Add(s.Wait)
	if r.Wait != nil {
		deadline = time.Now().Add(*r.Wait)
	}
	deferred := r.Async
	if s.work.begin() {
		defer s.work.end()
	} else {
		deferred = true // the service is stopping: the queue of another replica cancels it
	}
	began := time.Now()
	request := cancelRequest(p, s.claimRequest(r, deferred))
	claimed, verdict, err := s.payments.Claim(context.WithoutCancel(ctx), request)
	if err != nil {
		return nil, fmt.Errorf("claim payment: %w", err)
	}
	switch verdict {
	case payment.VerdictCancel:
		after, err := s.reconcile(context.WithoutCancel(ctx), s.newClaim(claimed, began), true)
		switch {
		case err == nil:
			claimed = after
		case !errors.Is(err, payment.ErrFenced): // otherwise another lookup has its answer
			return nil, inDoubt(err)
		}
	case payment.VerdictAccepted: // the queue cancels it
		s.wakeQueue()
	case payment.VerdictKeyOpen:
		return nil, errCannotCancel(p)
	case payment.VerdictForeign:
		return nil, ErrForeignGateway
	default:
		return claimed, nil // its state has changed
	}
	if deferred {
		return claimed, nil
	}
	return s.awaitCancelled(ctx, claimed, deadline)
}

// cancelRequest returns the request r for a void of a pending payment as one to cancel the payment.
func cancelRequest(p payment.Payment, r payment.ClaimRequest) payment.ClaimRequest {
	r.Operation, r.Money, r.Capture, r.Method, r.Cancel = payment.OperationID{}, p.Money, p.Capture, "", true
	return r
}

func errCannotCancel(p payment.Payment) error {
	return &payment.OperationRefusedError{State: p.State, Why: "the payment is pending, and its gateway cannot cancel it; " +
		"wait for its outcome"}
}

// awaitCancelled reads a payment whose cancellation is stored, until it is not pending any more or the deadline has
// passed.
func (s *Service) awaitCancelled(ctx context.Context, p *payment.Payment, deadline time.Time) (*payment.Payment, error) {
	for p.State == payment.StatePending && time.Now().Before(deadline) {
		select {
		case <-time.After(min(s.Poll, time.Until(deadline))):
		case <-s.work.ctx.Done():
			return p, nil
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the cancellation: %w", ctx.Err())
		}
		read, err := s.payments.Find(ctx, p.OrderID)
		if err != nil {
			return nil, fmt.Errorf("find payment: %w", err)
		}
		p = &read
	}
	return p, nil
}

// voidHeld requests the void of a payment that became authorized after a void was requested. If this fails, the queue
// does it again at the payment's next lookup.
func (s *Service) voidHeld(ctx context.Context, p *payment.Payment) {
	if p.State != payment.StateAuthorized || !p.CancelRequested() || p.HoldClaimedBy != payment.KindCharge {
		return
	}
	request := Request{OrderID: p.OrderID, Operation: payment.OperationID{Kind: payment.KindVoid}, Async: true}
	if _, err := s.accept(ctx, request); err != nil {
		s.log.Warn("could not request the void of a payment that became authorized after a void was requested; "+
			"it is requested again at the next lookup", "order_id", p.OrderID, "error", err.Error())
	}
}
