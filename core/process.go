package core

import (
	"context"
	"errors"
	"fmt"
	"time"

	"paymentd/core/payment"
)

// Process charges an order exactly once. It returns when the outcome is durable, or when the caller
// has to ask again later. The errors are *payment.FieldError, [ErrMismatch], [ErrBusy],
// [ErrVoided], [ErrForeignGateway], ports.ErrUnavailable (this request charged nothing), ports.ErrInDoubt (the claim
// may be stored, or the order charged), and ctx's own error while this request holds no claim.
//
// Once the payment is claimed, it is processed to its outcome even if ctx ends.
func (s *Service) Process(ctx context.Context, r Request) (Answer, error) {
	// 1. Check.
	if err := r.Validate(); err != nil {
		return Answer{}, err
	}
	if !r.Operation.IsCharge() {
		return Answer{}, errOtherKind
	}
	if err := s.checkChargeable(ctx, r); err != nil {
		return Answer{}, err
	}
	if r.Async || !s.work.begin() {
		return s.accept(ctx, r)
	}
	defer s.work.end()

	return s.run(ctx, r)
}

// run processes a request that was checked, for a charge or another operation.
func (s *Service) run(ctx context.Context, r Request) (Answer, error) {
	// At most one request per operation does the work in this process; concurrent requests wait and
	// share its result.
	res, err := s.flights.Do(ctx, r, s.process)
	if err != nil {
		return Answer{}, err
	}
	return s.answer(res.payment, res.replayed), nil
}

// process does the work of one request for an order. Its errors include errHeld (another worker
// holds the claim) and payment.ErrFenced (this worker lost the claim after it may have charged).
func (s *Service) process(ctx context.Context, r Request) (result, error) {
	// 2. Claim.
	claim, verdict, err := s.claim(ctx, r)
	if err != nil {
		_, refused := errors.AsType[*payment.OperationRefusedError](err) // followers may ask for less
		return result{shared: ctx.Err() == nil && !refused}, err
	}

	// 3. Replay, wait, refuse, or go on.
	switch verdict {
	case payment.VerdictReplay, payment.VerdictAccepted: // approved, or the queue makes the next attempt
		return claim.asFound(), nil
	case payment.VerdictBusy:
		return result{}, errHeld
	case payment.VerdictMismatch:
		return result{}, ErrMismatch // not shared: followers may have the order's amount
	case payment.VerdictVoided:
		return result{shared: true}, ErrVoided
	case payment.VerdictForeign:
		return claim.foreign()
	case payment.VerdictKeyOpen:
		return result{}, ErrKeyOpen // not shared: followers may have the stored payment method
	case payment.VerdictLookUp: // the key may not be sent again, or the payment is pending
		p, err := s.reconcile(context.WithoutCancel(ctx), claim, false)
		if errors.Is(err, payment.ErrFenced) {
			return result{}, errHeld
		}
		return result{payment: p, replayed: true}, inDoubt(err)
	case payment.VerdictCancel:
		return s.replaceMethod(ctx, r, claim)
	case payment.VerdictClaimed:
	default:
		return result{}, fmt.Errorf("claim payment: unexpected verdict %q", verdict)
	}

	// 4. Charge, with no transaction open. From here on, the work continues even if the caller leaves.
	ctx = context.WithoutCancel(ctx)
	done, err := s.charge(ctx, claim)
	if err != nil {
		return result{}, err
	}

	// 5. Settle, unless the claim was lost.
	p, err := s.settle(ctx, claim, done)
	if err != nil {
		return result{}, inDoubt(err)
	}

	// 6. Answer.
	return result{payment: p, replayed: claim.replay.Load()}, nil
}

// claim asks the repository for the payment. It is not canceled when the caller leaves, because
// followers wait for it too.
func (s *Service) claim(ctx context.Context, r Request) (*claim, payment.Verdict, error) {
	if err := ctx.Err(); err != nil {
		return nil, "", fmt.Errorf("claim payment: %w", err)
	}
	began := time.Now()
	p, verdict, err := s.payments.Claim(context.WithoutCancel(ctx), s.claimRequest(r, false))
	if err != nil {
		return nil, "", fmt.Errorf("claim payment: %w", err)
	}
	s.flights.read(p)
	if verdict == payment.VerdictClaimed && p.Fence > 1 {
		s.logClaimedAgain(p)
	}
	return s.newClaim(p, began), verdict, nil
}

// refuse has the repository refuse a request for another amount, which records the request.
func (s *Service) refuse(ctx context.Context, r Request) error {
	_, verdict, err := s.payments.Claim(ctx, s.claimRequest(r, false))
	if err == nil && verdict != payment.VerdictMismatch {
		err = fmt.Errorf("unexpected verdict %q", verdict)
	}
	if err != nil {
		return fmt.Errorf("refuse payment: %w", err)
	}
	return ErrMismatch
}

func (s *Service) claimRequest(r Request, deferred bool) payment.ClaimRequest {
	return payment.ClaimRequest{
		OrderID: r.OrderID, Operation: r.Operation, Money: r.Money, Capture: r.Capture, Note: r.Note, Method: r.Method,
		NewKey: s.NewKey(), Replica: s.Replica, Lease: s.Lease, Rules: s.rules(), Worker: time.Now(), Deferred: deferred, Async: r.Async,
	}
}

// answer returns the payment as its caller sees it.
func (s *Service) answer(p *payment.Payment, replayed bool) Answer {
	a := Answer{
		OrderID: p.OrderID, Operation: p.Operation, Money: p.Money, State: p.State,
		TransactionID: p.TransactionID, Code: p.Code, Reason: p.Reason,
		Replayed:   replayed && p.State.Approved(),
		GatewayKey: p.GatewayKey, Attempts: p.Attempts(), RedirectURL: p.RedirectURL(),
	}
	switch p.State {
	case payment.StatePending, payment.StateUnresolved:
		a.RetryAfter = s.LookupFirst
	case payment.StateScheduled:
		now := p.SeenAt
		if p.UpdatedAt.After(now) {
			now = p.UpdatedAt // this request has written it
		}
		a.RetryAfter = max(s.Poll, p.DueAt.Sub(now))
	case payment.StateProcessing, payment.StateAuthorized, payment.StateSucceeded, payment.StateDeclined,
		payment.StateFailed, payment.StateVoided:
	}
	return a
}
