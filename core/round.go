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
	for {
		done, moved, err := s.chargeAtGateway(ctx, c)
		if !moved {
			return done, err
		}
	}
}

// chargeAtGateway makes the attempts of a round at one gateway. It reports whether the payment
// went to the next gateway.
func (s *Service) chargeAtGateway(ctx context.Context, c *claim) (done completion, moved bool, err error) {
	gateway, _ := s.gateways.at(c.payment.Gateway)
	err = gateway.Retry.Run(s.work.ctx, ports.Round{
		Used:    c.payment.Retries,
		Attempt: func() payment.Result { return s.attempt(ctx, c) },
		Again:   func(r payment.Result) bool { return s.mayRepeat(c, r) },
		BeforeBackoff: func(r payment.Result, d time.Duration) error {
			if r.RetryAfter >= d && d > s.Wait {
				c.next = time.Now().Add(d)
				return errQueued
			}
			return s.renew(ctx, c, payment.Renewal{Next: true, Delay: d})
		},
	})
	if err == nil && !c.expired && !c.leaseExpired() {
		moved, err = s.failOver(ctx, c)
	}
	switch {
	case errors.Is(err, payment.ErrFenced) || c.leaseExpired():
		s.logLost(c.payment, payment.ErrFenced)
		return completion{}, false, payment.ErrFenced
	case moved:
		return completion{}, true, nil
	case err != nil && !c.expired:
		return s.requeue(c, err), false, nil
	}
	done, err = s.conclude(ctx, c)
	return done, false, err
}

// failOver records the end of the attempts at one gateway together with the start of the first at the next
// one, if the domain permits it. It reports whether the payment went there.
func (s *Service) failOver(ctx context.Context, c *claim) (bool, error) {
	if end := c.unrecorded(); end == nil || end.Class != payment.ClassNotCharged {
		return false, nil // most rounds, for which the rules need not be computed
	}
	rules := s.rules()
	if _, ok := c.payment.NextGateway(rules, c.last.Result, c.doubt()); !ok {
		return false, nil
	}
	from := c.payment.Gateway
	err := s.renew(ctx, c, payment.Renewal{Failover: &payment.Failover{Rules: rules, NewKey: s.NewKey()}})
	if err != nil {
		return false, err
	}
	if c.payment.Gateway == from {
		return false, nil // under the lock, the domain did not permit it
	}
	s.logFailover(c.payment, from, c.last.Message)
	return true, nil
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
	rules, _ := s.rules().At(p.Gateway)
	if c.doubt().Any() && rules.Expired(p.KeySent, p.KeyLifetime, c.latest()) {
		c.expired = true
		return payment.Result{}
	}
	gateway, _ := s.gateways.at(p.Gateway) // configured, or the claim would have been refused
	r := gateway.Charge(ctx, payment.Charge{
		Key: p.GatewayKey, OrderID: p.OrderID, Operation: p.Operation, Of: p.Of, Note: p.Note, Money: p.Money, Capture: p.Capture,
		Method: p.Method, ReturnURL: p.ReturnURL,
	}).Sanitized().For(p.Operation)
	s.noteAttempt(p.Gateway, r, began)
	c.last, c.recorded = &payment.AttemptEnd{Result: r, Took: time.Since(began)}, false
	return r
}

// leaseOver reports whether a lease that ends at until is over by the monotonic or by the wall clock. Both
// count: a suspended machine stops the monotonic one, and a step moves the wall clock.
func leaseOver(until, monotonic, wall time.Time) bool {
	return !monotonic.Before(until) || !wall.Before(until.Round(0))
}

// mayRepeat reports whether to attempt the charge again at the same gateway. An unknown outcome is repeated
// only if the gateway honours keys, because the repetition could be a second charge otherwise. If nothing
// could be sent, the next gateway of the route is tried at once.
func (s *Service) mayRepeat(c *claim, r payment.Result) bool {
	if !r.Class.Retryable() {
		return false
	}
	rules := s.rules()
	if r.Unsent() {
		if _, ok := c.payment.NextGateway(rules, r, c.doubt()); ok {
			return false
		}
	}
	own, _ := rules.At(c.payment.Gateway)
	return !r.Class.Unknown() || own.HonoursKeys()
}

// renew records the latest attempt and extends the lease: past the next attempt, which follows after
// r.Delay, or past a lookup.
func (s *Service) renew(ctx context.Context, c *claim, r payment.Renewal) error {
	r.ClaimRef, r.End, r.Lease, r.Worker = c.payment.ClaimRef(), *c.last, s.Lease, time.Now()
	began := time.Now() // the first try may have been stored although its answer was lost
	err := s.retryWrite(ctx, s.Wait, "renew", c.payment.OrderID, func() error {
		return s.payments.Renew(ctx, r)
	})
	if err != nil {
		return fmt.Errorf("renew claim: %w", err)
	}
	if err := s.applyRenewal(ctx, c, r); err != nil {
		return fmt.Errorf("renew claim: %w", err)
	}
	c.recorded, c.until, c.next = true, began.Add(r.Delay+s.Lease), time.Now().Add(r.Delay)
	return nil
}

// applyRenewal makes the claim's payment the one that the renewal has stored. After a failover it is read
// again: which key the next gateway gets depends on the database's clock and on records that lookups may have
// changed, and a key that is not the stored one must not be sent.
func (s *Service) applyRenewal(ctx context.Context, c *claim, r payment.Renewal) error {
	if r.Failover == nil {
		now, read := c.now(), time.Now()
		d, err := r.Apply(*c.payment, now.DB)
		if err != nil {
			return err
		}
		d.Payment.SeenAt, c.read = now.DB, read
		c.payment = &d.Payment
		return nil
	}
	var h ports.History // which includes the records of the keys
	began := time.Now()
	err := s.retryWrite(ctx, s.Wait, "read", c.payment.OrderID, func() (err error) {
		h, err = s.payments.History(ctx, c.payment.OrderID)
		return err
	})
	p := h.Payment
	switch {
	case err != nil:
		return err
	case p.Fence != c.payment.Fence || p.State != payment.StateProcessing:
		return payment.ErrFenced
	}
	p.Keys = h.Keys
	c.payment, c.read, c.lag = &p, time.Now(), time.Since(began)
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
			if err := s.renew(ctx, c, payment.Renewal{}); errors.Is(err, payment.ErrFenced) {
				s.logLost(c.payment, err)
				return completion{}, err
			}
		}
		return completion{lookup: s.lookUp(ctx, c, last, false)}, nil
	}
	if outcome.State == payment.StatePending {
		outcome.DueIn = s.LookupFirst
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
