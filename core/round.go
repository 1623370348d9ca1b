package core

import (
	"context"
	"errors"
	"fmt"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// errQueued ends a round if the gateway asks for a longer backoff than a caller waits.
var errQueued = errors.New("the gateway asked to wait for longer than a request does")

// charge makes a round of attempts and returns how to complete it. The error is payment.ErrFenced
// if the claim was lost.
func (s *Service) charge(ctx context.Context, c *claim) (completion, error) {
	err := s.retry.Run(s.work.ctx, ports.Round{
		Used:    c.payment.Retries,
		Attempt: func() payment.Result { return s.attempt(ctx, c) },
		Again:   s.mayRepeat,
		BeforeBackoff: func(r payment.Result, d time.Duration) error {
			if r.RetryAfter >= d && d > s.Wait {
				c.next = time.Now().Add(d)
				return errQueued
			}
			return s.renew(ctx, c, true, d)
		},
	})
	switch {
	case errors.Is(err, payment.ErrFenced) || c.leaseExpired():
		s.logLost(c.payment, payment.ErrFenced)
		return completion{}, payment.ErrFenced
	case c.expired:
		return s.conclude(ctx, c)
	case err != nil:
		return s.requeue(c, err), nil
	}
	return s.conclude(ctx, c)
}

// attempt makes one call to the gateway, unless the lease has expired or the key is too old to be
// sent again.
func (s *Service) attempt(ctx context.Context, c *claim) payment.Result {
	began := time.Now()
	if leaseOver(c.until, began, began.Round(0)) {
		c.until = time.Time{}
		return payment.Result{}
	}
	p := c.payment
	if c.doubt().Any() && s.rules().Expired(p.KeySent, p.KeyLifetime, c.now()) {
		c.expired = true
		return payment.Result{}
	}
	r := s.gateway.Charge(ctx, payment.Charge{
		Key: p.GatewayKey, OrderID: p.OrderID, Money: p.Money,
	}).Sanitized()
	c.last, c.recorded = &payment.AttemptEnd{Result: r, Took: time.Since(began)}, false
	return r
}

// leaseOver reports whether a lease that ends at until is over by the monotonic or by the wall clock. Both
// count: a suspended machine stops the monotonic one, and a step moves the wall clock.
func leaseOver(until, monotonic, wall time.Time) bool {
	return !monotonic.Before(until) || !wall.Before(until.Round(0))
}

// mayRepeat reports whether to attempt the charge again. An unknown outcome is repeated only if the
// gateway honours keys, because the repetition could be a second charge otherwise.
func (s *Service) mayRepeat(r payment.Result) bool {
	return r.Class.Retryable() && (!r.Class.Unknown() || s.gateway.Capabilities().HonoursKeys())
}

// renew records the latest attempt and extends the lease: past the next attempt, which follows after
// delay, or past a lookup.
func (s *Service) renew(ctx context.Context, c *claim, next bool, delay time.Duration) error {
	r := payment.Renewal{
		ClaimRef: c.payment.ClaimRef(), End: *c.last, Next: next, Delay: delay, Lease: s.Lease, Worker: time.Now(),
	}
	began := time.Now() // the first try may have been stored although its answer was lost
	err := s.retryWrite(ctx, s.Wait, "renew", c.payment.OrderID, func() error {
		return s.payments.Renew(ctx, r)
	})
	if err != nil {
		return fmt.Errorf("renew claim: %w", err)
	}
	now, read := c.now(), time.Now()
	d, err := r.Apply(*c.payment, now.DB)
	if err != nil {
		return fmt.Errorf("renew claim: %w", err)
	}
	d.Payment.SeenAt, c.read = now.DB, read
	c.payment, c.recorded = &d.Payment, true
	c.until, c.next = began.Add(delay+s.Lease), time.Now().Add(delay)
	return nil
}

// requeue completes a round that was interrupted by a stop, an unavailable database or a long wait
// that the gateway asked for: the queue resumes the round.
func (s *Service) requeue(c *claim, cause error) completion {
	return completion{settlement: payment.Settlement{
		ClaimRef: c.payment.ClaimRef(), End: c.unrecorded(), Worker: time.Now(),
		Outcome: payment.Outcome{
			State: payment.StateScheduled, Reason: cause.Error(),
			DueIn: max(0, time.Until(c.next)),
		},
		Event: payment.EventScheduled,
		Retry: errors.Is(cause, errQueued),
	}}
}

// conclude decides how the round completes. If the attempts left doubt, the gateway is asked before
// anything is written.
func (s *Service) conclude(ctx context.Context, c *claim) (completion, error) {
	var last payment.Result
	if c.last != nil {
		last = c.last.Result
	}
	outcome, sure := last.Outcome(c.doubt())
	if !sure {
		if c.unrecorded() != nil {
			// The lookup needs the lease for longer. It is made even if the database is unavailable.
			if err := s.renew(ctx, c, false, 0); errors.Is(err, payment.ErrFenced) {
				s.logLost(c.payment, err)
				return completion{}, err
			}
		}
		return completion{lookup: s.lookUp(ctx, c, last)}, nil
	}
	st := payment.Settlement{
		ClaimRef: c.payment.ClaimRef(), End: c.unrecorded(), Worker: time.Now(), Outcome: outcome,
	}
	if delay := s.deferral(c.payment); delay > 0 &&
		outcome.State == payment.StateFailed && outcome.Code == payment.CodeRetriesExhausted {
		st.Outcome = payment.Outcome{State: payment.StateScheduled, Reason: outcome.Reason, DueIn: delay}
		st.Event, st.DeferredRetry = payment.EventScheduled, true
	}
	return completion{settlement: st}, nil
}

// deferral returns the delay before the next round of an async payment whose round failed; zero if
// no round is left, or a caller waits for the result.
func (s *Service) deferral(p *payment.Payment) time.Duration {
	if !p.Async || p.DeferredRetries >= len(s.DeferredRetries) {
		return 0
	}
	return s.DeferredRetries[p.DeferredRetries]
}
