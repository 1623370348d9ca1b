package core

import (
	"context"
	"errors"
	"fmt"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

const (
	// settlePatience bounds how long an outcome is tried to be written before it is left
	// to whoever takes the payment over: with the same gateway key it comes out the same.
	settlePatience = 5 * time.Minute
	firstPause     = 50 * time.Millisecond // between two tries to write
	longestPause   = time.Second
)

// claim is a payment in our hands.
type claim struct {
	payment *payment.Payment // as stored; each write of ours replaces it
	// until is when, by our own clock, the lease may have run out: no attempt begins after.
	until time.Time
	// doubt is the payment's, in the time of our own clock.
	doubt payment.Doubt
	// last is the end of the latest attempt of this round, and recorded says that it is
	// stored. Nil before the first.
	last     *payment.AttemptEnd
	recorded bool
	next     time.Time // when the next attempt is planned
}

// newClaim takes a payment in hand whose claim was asked for at began.
func (s *Service) newClaim(p *payment.Payment, began time.Time) *claim {
	c := &claim{payment: p, until: began.Add(s.Lease), doubt: p.Doubt}
	if !p.Doubt.UnansweredAt.IsZero() {
		c.doubt.UnansweredAt = time.Now().Add(-p.SeenAt.Sub(p.Doubt.UnansweredAt))
	}
	return c
}

// charge makes a round of attempts and returns what to settle the payment to. The error is
// payment.ErrFenced: the claim was lost.
func (s *Service) charge(ctx context.Context, c *claim) (payment.Settlement, error) {
	if !c.doubt.Any() || s.gateway.Capabilities().HonoursKeys {
		err := s.retry.Run(s.work.ctx, ports.Round{
			Attempt:       func() payment.Result { return s.attempt(ctx, c) },
			Again:         func(r payment.Result) bool { return s.mayRepeat(r) },
			BeforeBackoff: func(_ payment.Result, d time.Duration) error { return s.renew(ctx, c, true, d) },
		})
		switch {
		case errors.Is(err, payment.ErrFenced) || c.lapsed():
			s.logLost(c.payment, payment.ErrFenced)
			return payment.Settlement{}, payment.ErrFenced
		case err != nil:
			return s.handOver(c, err), nil
		}
	}
	return s.conclude(ctx, c)
}

// attempt makes one call to the gateway, unless the lease has run out meanwhile.
func (s *Service) attempt(ctx context.Context, c *claim) payment.Result {
	began := time.Now()
	if !began.Before(c.until) {
		c.until = time.Time{}
		return payment.Result{}
	}
	r := s.gateway.Charge(ctx, payment.Charge{
		Key: c.payment.GatewayKey, OrderID: c.payment.OrderID, Money: c.payment.Money,
	}).Readable()
	c.last, c.recorded = &payment.AttemptEnd{Result: r, Took: time.Since(began)}, false
	c.doubt = c.doubt.With(r.Class, time.Now())
	return r
}

// lapsed reports whether an attempt was not made because the lease had run out.
func (c *claim) lapsed() bool { return c.until.IsZero() }

// mayRepeat: an unknown outcome is attempted again only where the gateway key makes the
// second charge the first.
func (s *Service) mayRepeat(r payment.Result) bool {
	return r.Class.Retryable() && (!r.Class.Unknown() || s.gateway.Capabilities().HonoursKeys)
}

// renew records the latest attempt and holds the claim for longer: until after the next
// attempt, which follows after delay, or for a lookup.
func (s *Service) renew(ctx context.Context, c *claim, next bool, delay time.Duration) error {
	r := payment.Renewal{
		Hold: c.payment.Hold(), End: *c.last, Next: next, Delay: delay, Lease: s.Lease,
	}
	began := time.Now()
	err := s.persist(ctx, s.Wait, "renew", c.payment.OrderID, func() error {
		began = time.Now()
		return s.payments.Renew(ctx, r)
	})
	if err != nil {
		return fmt.Errorf("renew claim: %w", err)
	}
	d, err := r.Apply(*c.payment, began)
	if err != nil {
		return fmt.Errorf("renew claim: %w", err)
	}
	c.payment, c.recorded = &d.Payment, true
	c.until, c.next = began.Add(delay+s.Lease), time.Now().Add(delay)
	return nil
}

// handOver ends a round that was cut short, by a stop or a database that is away: the queue
// goes on with it.
func (s *Service) handOver(c *claim, cause error) payment.Settlement {
	st := payment.Settlement{
		Hold: c.payment.Hold(),
		Outcome: payment.Outcome{
			State: payment.StateScheduled, Reason: cause.Error(),
			DueIn: max(0, time.Until(c.next)),
		},
		Event: payment.EventScheduled,
	}
	if c.last != nil && !c.recorded {
		st.End = c.last
	}
	return st
}

// conclude says how the round ends. Where the attempts left a doubt, the gateway is asked
// before anything is written.
func (s *Service) conclude(ctx context.Context, c *claim) (payment.Settlement, error) {
	var result payment.Result
	if c.last != nil {
		result = c.last.Result
	}
	outcome, sure := result.Outcome(c.doubt)
	st := payment.Settlement{Outcome: outcome}
	if !sure {
		if c.last != nil {
			// The lookup takes its time as well. Without a database it is made all the same.
			if err := s.renew(ctx, c, false, 0); errors.Is(err, payment.ErrFenced) {
				s.logLost(c.payment, err)
				return st, err
			}
		}
		st.Outcome = s.lookUp(ctx, c)
		st.Outcome.DueIn = s.LookupFirst
		st.Event = payment.EventReconciled
		if !st.Outcome.State.Known() {
			st.Event = ""
		}
	}
	if st.Outcome.State == payment.StateFailed && result.Class == payment.ClassRejected {
		st.Outcome.Code, st.Outcome.Reason = payment.CodeRejected, result.Message
	}
	st.Hold = c.payment.Hold()
	if c.last != nil && !c.recorded {
		st.End = c.last
	}
	s.retryLater(c.payment, &st)
	return st, nil
}

// lookUp asks the gateway what became of the payment's key. An attempt that may still arrive
// when the question goes out may do so behind the answer's back.
func (s *Service) lookUp(ctx context.Context, c *claim) payment.Outcome {
	lingers := c.doubt.Lingers(time.Now(), s.Late)
	return s.gateway.LookUp(ctx, c.payment.GatewayKey).Readable().Outcome(lingers)
}

// retryLater turns the failure of an async payment, of which nobody was told, into another
// round later on, as long as delays are left.
func (s *Service) retryLater(p *payment.Payment, st *payment.Settlement) {
	o := &st.Outcome
	if !p.Async || p.LaterRetries >= len(s.LaterRetries) ||
		o.State != payment.StateFailed || o.Code != payment.CodeRetriesExhausted {
		return
	}
	o.State, o.Code = payment.StateScheduled, ""
	o.DueIn = s.LaterRetries[p.LaterRetries]
	st.Event, st.LaterRetry = payment.EventScheduled, true
}

// settle writes the outcome, and returns the payment once it is durable. Where the database
// makes it wait for too long, it goes on behind the caller's back, who is told that the
// payment is unresolved. The error is payment.ErrFenced, or one that leaves the payment to
// whoever takes it over.
func (s *Service) settle(ctx context.Context, c *claim, st payment.Settlement) (*payment.Payment, error) {
	d, err := st.Apply(*c.payment, time.Now())
	if err != nil {
		return nil, fmt.Errorf("settle payment: %w", err)
	}
	settled, began := &d.Payment, time.Now()
	if err := s.payments.Settle(ctx, st); err == nil || errors.Is(err, payment.ErrFenced) {
		return settled, s.settled(settled, began, st, err)
	}

	done := make(chan error, 1)
	s.work.add()
	go func() {
		defer s.work.end()
		err := s.persist(ctx, settlePatience, "settle", st.OrderID, func() error {
			began = time.Now()
			return s.payments.Settle(ctx, st)
		})
		done <- s.settled(settled, began, st, err)
	}()
	select {
	case err := <-done:
		return settled, err
	case <-time.After(s.Wait):
		told := *c.payment
		told.State = payment.StateUnresolved
		return &told, nil
	}
}

// settled says what has become of a settlement, whose write began then: to those in line, and
// to the operator.
func (s *Service) settled(p *payment.Payment, began time.Time, st payment.Settlement, err error) error {
	if err != nil {
		s.logLost(p, err)
		return fmt.Errorf("settle payment: %w", err)
	}
	s.logSettled(p, st)
	s.lines.tell(p.OrderID, ending{payment: p, began: began})
	if p.State == payment.StateScheduled {
		s.wakeQueue()
	}
	return nil
}

// persist repeats a write until it is done, the claim is lost or patience is over. The write
// must be safe to repeat.
func (s *Service) persist(
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
			s.logPersist(ctx, what, id, err)
		}
		time.Sleep(pause)
		pause = min(2*pause, longestPause)
	}
}
