package core

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

const (
	// settlePatience bounds how long an outcome is tried to be written before it is left
	// to whoever takes the payment over: with the same gateway key it comes out the same.
	settleTimeout = 5 * time.Minute
	firstPause    = 50 * time.Millisecond // between two tries to write
	longestPause  = time.Second
)

// claim is a payment that this worker currently holds.
type claim struct {
	payment *payment.Payment // as stored; each write of ours replaces it
	read    time.Time        // when, by our own clock, the payment had been read
	// until is when, by our own clock, the lease may have run out: no attempt begins after.
	until time.Time
	// last is the end of the latest attempt of this round, and recorded says that it is
	// stored. Nil before the first.
	last     *payment.AttemptEnd
	recorded bool
	next     time.Time // when the next attempt is planned
	expired  bool      // an attempt was not made, because the key is too old to be sent again
	// replay: the lookup of the round found the charge by which another worker had settled already.
	replay atomic.Bool
}

// newClaim returns the claim on a payment that was asked for at began.
func (s *Service) newClaim(p *payment.Payment, began time.Time) *claim {
	return &claim{payment: p, read: time.Now(), until: began.Add(s.Lease)}
}

// now is the present by both clocks. The database's is counted on from when the payment was read.
func (c *claim) now() payment.Instant {
	now := time.Now()
	seen := c.payment.SeenAt
	if seen.IsZero() {
		seen = c.payment.CreatedAt // this very call created the payment
	}
	return payment.Instant{DB: seen.Add(now.Sub(c.read)), Worker: now.Round(0)}
}

// doubt is what the attempts with the key left open, the latest included.
func (c *claim) doubt() payment.Doubt {
	if c.last == nil || c.recorded {
		return c.payment.Doubt
	}
	return c.payment.Doubt.With(c.last.Class, c.now())
}

// rules are what decides whether a key may be sent again and what a lookup proves.
func (s *Service) rules() payment.KeyRules {
	const slack = time.Second // between the database's clock and its answer
	longest := s.MaxBackoff
	for _, delay := range s.DeferredRetries {
		longest = max(longest, delay)
	}
	return payment.KeyRules{
		Capabilities: s.gateway.Capabilities(), Late: s.Late, Timeout: s.GatewayTimeout,
		LookupFirst: s.LookupFirst, LookupMax: s.LookupMax,
		MaxLease: s.Lease + s.MaxBackoff + slack, MaxDelay: longest + slack,
		MaxLookup: max(s.LookupMax, s.Late) + slack,
	}
}

// errQueued ends a round whose next retry the gateway has put off for longer than a caller waits.
var errQueued = errors.New("the gateway asked to wait for longer than a request does")

// charge makes a round of attempts and returns how to complete it. The error is
// payment.ErrFenced: the claim was lost.
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
	case errors.Is(err, payment.ErrFenced) || c.lapsed():
		s.logLost(c.payment, payment.ErrFenced)
		return completion{}, payment.ErrFenced
	case c.unsent():
		return s.conclude(ctx, c)
	case err != nil:
		return s.requeue(c, err), nil
	}
	return s.conclude(ctx, c)
}

// attempt makes one call to the gateway, unless the lease has run out meanwhile, or the key is too
// old to be sent again.
func (s *Service) attempt(ctx context.Context, c *claim) payment.Result {
	began := time.Now()
	// By the monotonic and by the wall clock: a suspended machine stops the one, and a step moves the other.
	if !began.Before(c.until) || !began.Round(0).Before(c.until.Round(0)) {
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

// lapsed reports whether an attempt was not made because the lease had run out.
func (c *claim) lapsed() bool { return c.until.IsZero() }

// unsent reports whether an attempt was not made because the key is too old.
func (c *claim) unsent() bool { return c.expired }

// mayRepeat: an unknown outcome is attempted again only if the gateway key makes the
// second charge the first.
func (s *Service) mayRepeat(r payment.Result) bool {
	return r.Class.Retryable() && (!r.Class.Unknown() || s.gateway.Capabilities().HonoursKeys)
}

// renew records the latest attempt and holds the claim for longer: until after the next
// attempt, which follows after delay, or for a lookup.
func (s *Service) renew(ctx context.Context, c *claim, next bool, delay time.Duration) error {
	r := payment.Renewal{
		ClaimRef: c.payment.ClaimRef(), End: *c.last, Next: next, Delay: delay, Lease: s.Lease, Worker: time.Now(),
	}
	began := time.Now() // the first try may be the one that counts, and only its answer was lost
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

// completion is how a round, or a lookup, completes: the one write that is due.
type completion struct {
	settlement payment.Settlement
	lookup     *payment.LookupRecord // in place of the settlement
}

// handOver ends a round that was cut short, by a stop, a database that is away or a gateway that
// wants a long wait: the queue resumes it.
func (s *Service) requeue(c *claim, cause error) completion {
	st := payment.Settlement{
		ClaimRef: c.payment.ClaimRef(), Worker: time.Now(),
		Outcome: payment.Outcome{
			State: payment.StateScheduled, Reason: cause.Error(),
			DueIn: max(0, time.Until(c.next)),
		},
		Event: payment.EventScheduled,
		Retry: errors.Is(cause, errQueued),
	}
	if c.last != nil && !c.recorded {
		st.End = c.last
	}
	return completion{settlement: st}
}

// conclude says how the round ends. If the attempts left a doubt, the gateway is looked up
// before anything is written.
func (s *Service) conclude(ctx context.Context, c *claim) (completion, error) {
	var result payment.Result
	if c.last != nil {
		result = c.last.Result
	}
	outcome, sure := result.Outcome(c.doubt())
	if !sure {
		if c.last != nil && !c.recorded {
			// The lookup takes its time as well. Without a database it is made all the same.
			if err := s.renew(ctx, c, false, 0); errors.Is(err, payment.ErrFenced) {
				s.logLost(c.payment, err)
				return completion{}, err
			}
		}
		return completion{lookup: s.lookUp(ctx, c, result)}, nil
	}
	st := payment.Settlement{ClaimRef: c.payment.ClaimRef(), Worker: time.Now(), Outcome: outcome}
	if c.last != nil && !c.recorded {
		st.End = c.last
	}
	if delay := s.deferral(c.payment); delay > 0 &&
		outcome.State == payment.StateFailed && outcome.Code == payment.CodeRetriesExhausted {
		st.Outcome = payment.Outcome{State: payment.StateScheduled, Reason: outcome.Reason, DueIn: delay}
		st.Event, st.DeferredRetry = payment.EventScheduled, true
	}
	return completion{settlement: st}, nil
}

// lookUp asks the gateway about the payment's key. The answer counts as of the sending.
func (s *Service) lookUp(ctx context.Context, c *claim, last payment.Result) *payment.LookupRecord {
	p := c.payment
	r := s.lookUpKey(ctx, p, p.GatewayKey, c.now())
	r.Last, r.DeferIn = last, s.deferral(p)
	if c.last != nil && !c.recorded {
		r.End = c.last
	}
	return r
}

// lookUpKey asks the gateway about a key of a payment that was read at now.
func (s *Service) lookUpKey(
	ctx context.Context, p *payment.Payment, key payment.GatewayKey, now payment.Instant,
) *payment.LookupRecord {
	sent := payment.Instant{DB: micros(now.DB), Worker: micros(now.Worker)}
	found := s.gateway.LookUp(ctx, key).Sanitized()
	return &payment.LookupRecord{
		ClaimRef: p.ClaimRef(), Key: key, Replica: s.Replica, Rules: s.rules(),
		Sent: sent, Worker: time.Now(), Result: found,
	}
}

// micros cuts a time to what repositories store.
func micros(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// deferral is after how long an async payment whose round fails gets another one; zero if none is
// left, or a caller waits for the result.
func (s *Service) deferral(p *payment.Payment) time.Duration {
	if !p.Async || p.DeferredRetries >= len(s.DeferredRetries) {
		return 0
	}
	return s.DeferredRetries[p.DeferredRetries]
}

// settle writes the outcome, and returns the payment once it is durable. If the database
// makes it wait for too long, the write goes on in the background, and the caller's answer is
// that the payment is unresolved. The error is payment.ErrFenced, or one that leaves the payment to
// the worker that takes it over.
func (s *Service) settle(ctx context.Context, c *claim, how completion) (*payment.Payment, error) {
	began := time.Now()
	settled, err := s.write(ctx, c, how)
	if err == nil || errors.Is(err, payment.ErrFenced) {
		return settled, s.settled(ctx, settled, began, how, err)
	}

	type result struct {
		payment *payment.Payment
		err     error
	}
	done := make(chan result, 1)
	s.work.add()
	go func() {
		defer s.work.end()
		settled := c.payment
		err := s.retryWrite(ctx, settleTimeout, "settle", c.payment.OrderID, func() (err error) {
			began = time.Now()
			settled, err = s.write(ctx, c, how)
			return err
		})
		done <- result{settled, s.settled(ctx, settled, began, how, err)}
	}()
	select {
	case r := <-done:
		return r.payment, r.err
	case <-time.After(s.Wait):
		told := *c.payment
		told.State = payment.StateUnresolved
		return &told, nil
	}
}

// write makes the one write of a completion.
func (s *Service) write(ctx context.Context, c *claim, how completion) (*payment.Payment, error) {
	if how.lookup != nil {
		p, verdict, err := s.recordLookup(ctx, *how.lookup, time.Now())
		if err != nil {
			return c.payment, err
		}
		c.replay.Store(verdict == payment.VerdictReplay && p.Fence != c.payment.Fence)
		return p, nil
	}
	d, err := how.settlement.Apply(*c.payment, time.Now())
	if err != nil {
		return c.payment, fmt.Errorf("settle payment: %w", err)
	}
	return &d.Payment, s.payments.Settle(ctx, how.settlement)
}

// settled reports the result of a settlement, whose write began then: to the requests that wait in
// this process, and to the operator. An approval that could not be settled is kept all the same.
func (s *Service) settled(
	ctx context.Context, p *payment.Payment, began time.Time, how completion, err error,
) error {
	switch {
	case errors.Is(err, payment.ErrFenced) && how.settlement.Outcome.State == payment.StateSucceeded:
		s.keepApproval(ctx, p, how.settlement.Outcome.TransactionID)
		return fmt.Errorf("settle payment: %w", err)
	case err != nil:
		s.logLost(p, err)
		return fmt.Errorf("settle payment: %w", err)
	}
	s.logSettled(p, how)
	s.lines.tell(p.OrderID, ending{payment: p, began: began})
	if p.State == payment.StateScheduled || how.lookup != nil {
		s.wakeQueue() // something is due sooner than it knows
	}
	return nil
}

// persist repeats a write until it is done, the claim is lost or patience is over. The write
// must be safe to repeat.
func (s *Service) retryWrite(
	ctx context.Context, patience time.Duration, what string, id payment.OrderID, write func() error,
) error {
	began, pause := time.Now(), firstPause
	for tries := 1; ; tries++ {
		err := write()
		if err == nil || errors.Is(err, payment.ErrFenced) {
			return err
		}
		if time.Since(began)+pause > patience {
			return err
		}
		if tries == 1 {
			s.logRetryWrite(ctx, what, id, err)
		}
		time.Sleep(pause)
		pause = min(2*pause, longestPause)
	}
}
