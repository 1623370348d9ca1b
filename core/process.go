package core

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// watchInterval is how often the row is read for all who wait for another worker's end.
const watchInterval = 100 * time.Millisecond

// Process charges an order, once. It returns when the outcome is durable, or when the caller
// has to come back for it. The errors are *payment.FieldError, [ErrMismatch], [ErrBusy],
// ports.ErrUnavailable (nothing was charged by this request), ports.ErrInDoubt (as that, and
// the claim may be stored), and ctx's own while the payment is not yet ours.
//
// Once the payment is claimed, the end of ctx changes nothing: it is carried to its end.
func (s *Service) Process(ctx context.Context, r Request) (Answer, error) {
	// 1. Check the request.
	if err := r.check(); err != nil {
		return Answer{}, err
	}
	if err := s.checkCurrency(ctx, r); err != nil {
		return Answer{}, err
	}
	if r.Async || !s.work.begin() {
		return s.accept(ctx, r)
	}
	defer s.work.end()

	// One request speaks for the order in this process. The others stand in line, and are
	// answered by its end.
	until := time.Now().Add(s.waitTimeout(r))
	for {
		a, again, err := s.inLine(ctx, r, until)
		if !again {
			return a, err
		}
	}
}

// inLine stands in the order's line until it is this request's turn to speak, or the line ends.
// It returns again where that was without a word for this request.
func (s *Service) inLine(
	ctx context.Context, r Request, until time.Time,
) (a Answer, again bool, err error) {
	joined, l := time.Now(), s.lines.join(r.OrderID)
	defer l.leave()
	known, timeout := l.known, (<-chan time.Time)(nil)
	for {
		turn, late := false, false
		select {
		case <-l.ended:
		case <-l.turn:
			turn = true
		case <-known:
			if p, _ := l.last(); p.Money != r.Money {
				return Answer{}, false, s.refuse(ctx, r)
			}
			known, timeout = nil, time.After(time.Until(until))
		case <-timeout:
			late = true
		case <-ctx.Done():
			return Answer{}, false, fmt.Errorf("wait for payment: %w", ctx.Err())
		}
		switch e, over := l.over(); {
		case over && e.err != nil:
			return Answer{}, false, e.err
		case over:
			return s.answer(e.payment, true), e.stale(joined) || e.payment.Money != r.Money, nil
		case turn:
			a, err = s.speak(ctx, l, joined, r, until)
			return a, false, err
		case late:
			return Answer{}, false, ErrBusy
		}
	}
}

// check refuses what no adapter should let through.
func (r Request) check() error {
	if _, err := payment.ParseOrderID(string(r.OrderID)); err != nil {
		return err
	}
	if r.Money.IsZero() {
		return &payment.FieldError{Field: "amount", Message: "amount must be above zero"}
	}
	return nil
}

// checkCurrency refuses a currency that has left ISO 4217, unless the order has a payment in it that may
// have taken money: that one is replayed, or finished, in its own currency.
func (s *Service) checkCurrency(ctx context.Context, r Request) error {
	refused := r.Money.Currency().CheckActive()
	if refused == nil {
		return nil
	}
	p, err := s.payments.Find(ctx, r.OrderID)
	switch {
	case errors.Is(err, ports.ErrNotFound):
		return refused
	case err != nil:
		return fmt.Errorf("find payment: %w", err)
	case p.Money.Currency() != r.Money.Currency(),
		p.State == payment.StateDeclined, p.State == payment.StateFailed:
		return refused
	}
	return nil
}

// patience is how long the request waits for another worker.
func (s *Service) waitTimeout(r Request) time.Duration {
	if r.Wait != nil {
		return *r.Wait
	}
	return s.Wait
}

// speak does all that the service does for an order. It ends the line with what came of it,
// or yields the turn.
func (s *Service) speak(
	ctx context.Context, l *line, joined time.Time, r Request, until time.Time,
) (Answer, error) {
	defer l.stepDown()
	fenced := false
	for {
		// 2. Claim.
		c, verdict, began, err := s.claim(ctx, l, r)
		switch {
		case err != nil && fenced:
			return Answer{}, doubtful(err)
		case err != nil && ctx.Err() != nil:
			return Answer{}, err // the caller has left, the others have not
		case err != nil:
			l.land(ending{err: err})
			return Answer{}, err
		}

		// 3. By the claim: replay, refuse, wait, or go on.
		switch verdict {
		case payment.VerdictReplay:
			l.land(ending{payment: c.payment, began: began})
			return s.answer(c.payment, true), nil
		case payment.VerdictMismatch:
			return Answer{}, ErrMismatch // the others may have asked for the right amount
		case payment.VerdictBusy:
			end := s.watch(ctx, l, until)
			if end.err != nil && fenced {
				return Answer{}, doubtful(end.err)
			}
			if end.err != nil {
				return Answer{}, end.err
			}
			if end.stale(joined) || !end.payment.RoundOver() {
				continue // its worker is gone, and the claim is free
			}
			l.land(end)
			return s.answer(end.payment, true), nil
		case payment.VerdictAccepted: // it waits for its next attempt, and the queue makes it
			l.land(ending{payment: c.payment, began: began})
			return s.answer(c.payment, true), nil
		case payment.VerdictForeign: // it waits for a replica that its gateway is configured for
			if st := c.payment.State; st == payment.StateUnresolved || st == payment.StateScheduled {
				l.land(ending{payment: c.payment, began: began})
				return s.answer(c.payment, true), nil
			}
			l.land(ending{err: ErrForeignGateway})
			return Answer{}, ErrForeignGateway
		case payment.VerdictLookUp: // its key may not be sent again
			p, err := s.reconcile(context.WithoutCancel(ctx), c)
			if errors.Is(err, payment.ErrFenced) {
				l.busy = true // the payment has gone on: wait for its outcome
				continue
			}
			return s.answer(p, true), doubtful(err)
		case payment.VerdictClaimed:
		default:
			return Answer{}, fmt.Errorf("claim payment: unexpected verdict %q", verdict)
		}

		// 4. Charge, with no transaction open. The payment is ours: the caller's leaving
		// changes nothing any more.
		ctx := context.WithoutCancel(ctx)
		how, err := s.charge(ctx, c)

		// 5. Settle, if the claim is still ours.
		var p *payment.Payment
		if err == nil {
			p, err = s.settle(ctx, c, how)
		}
		if errors.Is(err, payment.ErrFenced) {
			// Somebody has taken over, and theirs is the word: wait for it.
			until = time.Now().Add(s.waitTimeout(r))
			fenced, l.busy = true, true
			continue
		}

		// 6. Answer.
		return s.answer(p, c.replay.Load()), doubtful(err)
	}
}

// doubtful is an error told to a request that may have charged before it lost its claim.
func doubtful(err error) error {
	if errors.Is(err, ports.ErrUnavailable) {
		return fmt.Errorf("%w: %w", ports.ErrInDoubt, err)
	}
	return err
}

// watch reads the payment, for all in line, until its worker is done or gone.
func (s *Service) watch(ctx context.Context, l *line, until time.Time) ending {
	s.watching.Add(1)
	defer s.watching.Add(-1)
	late := time.After(time.Until(until))
	var err error
	for {
		_, lookedAt := l.last()
		select {
		case <-time.After(time.Until(lookedAt.Add(watchInterval))):
		case <-l.ended: // a worker of this process was at it
			return l.end
		case <-late:
			l.busy = true
			return ending{err: cmp.Or(err, ErrBusy)}
		case <-s.work.ctx.Done():
			l.busy = true
			return ending{err: ErrBusy}
		case <-ctx.Done():
			l.busy = true
			return ending{err: fmt.Errorf("wait for payment: %w", ctx.Err())}
		}
		began := time.Now()
		var p *payment.Payment
		if p, err = s.find(ctx, l.order); err != nil {
			p, _ = l.last()
		}
		l.learn(p)
		if err == nil && !s.rules().Claimed(*p, p.SeenAt) {
			return ending{payment: p, began: began}
		}
	}
}

func (s *Service) find(ctx context.Context, id payment.OrderID) (*payment.Payment, error) {
	p, err := s.payments.Find(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("wait for payment: %w", err)
	}
	return &p, nil
}

// accept stores the payment for the queue, and charges nothing.
func (s *Service) accept(ctx context.Context, r Request) (Answer, error) {
	p, verdict, err := s.payments.Claim(ctx, s.ask(r, true))
	if err != nil {
		return Answer{}, fmt.Errorf("accept payment: %w", err)
	}
	switch verdict {
	case payment.VerdictMismatch:
		return Answer{}, ErrMismatch
	case payment.VerdictForeign:
		return Answer{}, ErrForeignGateway
	case payment.VerdictReplay:
		return s.answer(&p, true), nil
	default:
		s.wakeQueue()
		p.State = payment.StateScheduled // or processing already, which to the caller is the same
		a := s.answer(&p, false)
		a.Async = r.Async
		return a, nil
	}
}

func (s *Service) ask(r Request, later bool) payment.ClaimRequest {
	return payment.ClaimRequest{
		OrderID: r.OrderID, Money: r.Money, NewKey: s.NewKey(),
		Replica: s.Replica, Lease: s.Lease, Rules: s.rules(), Worker: time.Now(), Deferred: later, Async: r.Async,
	}
}

// refuse lets the repository say no to another amount, and remember that it was asked.
func (s *Service) refuse(ctx context.Context, r Request) error {
	_, verdict, err := s.payments.Claim(ctx, s.ask(r, false))
	if err == nil && verdict != payment.VerdictMismatch {
		err = fmt.Errorf("unexpected verdict %q", verdict)
	}
	if err != nil {
		return fmt.Errorf("refuse payment: %w", err)
	}
	return ErrMismatch
}

// claim asks the repository for the payment, and lets those in line know its amount. Where
// the speaker before was watching another worker, only a request for another amount asks.
func (s *Service) claim(
	ctx context.Context, l *line, r Request,
) (c *claim, v payment.Verdict, began time.Time, err error) {
	if known, _ := l.last(); l.busy && known.Money == r.Money {
		l.busy = false
		return nil, payment.VerdictBusy, began, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, "", began, fmt.Errorf("claim payment: %w", err)
	}
	began = time.Now()
	// Not cut short when the caller leaves: others in line wait for it, too.
	p, verdict, err := s.payments.Claim(context.WithoutCancel(ctx), s.ask(r, false))
	if err != nil {
		return nil, "", began, fmt.Errorf("claim payment: %w", err)
	}
	l.learn(&p)
	if verdict == payment.VerdictClaimed && p.Fence > 1 {
		s.logClaimedAgain(&p)
	}
	return s.newClaim(&p, began), verdict, began, nil
}

// answer tells of a payment as it is stored.
func (s *Service) answer(p *payment.Payment, replayed bool) Answer {
	a := Answer{
		OrderID: p.OrderID, State: p.State,
		TransactionID: p.TransactionID, Code: p.Code, Reason: p.Reason,
		Replayed:   replayed && p.State == payment.StateSucceeded,
		GatewayKey: p.GatewayKey,
		Attempts:   p.Attempts(),
	}
	switch p.State {
	case payment.StateUnresolved:
		a.RetryAfter = s.LookupFirst
	case payment.StateScheduled:
		a.RetryAfter = s.Poll
		now := p.SeenAt
		if p.UpdatedAt.After(now) {
			now = p.UpdatedAt // this very request has written it
		}
		a.RetryAfter = max(a.RetryAfter, p.DueAt.Sub(now))
	case payment.StateProcessing, payment.StateSucceeded, payment.StateDeclined, payment.StateFailed:
	}
	return a
}
