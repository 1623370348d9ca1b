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
	// settleTimeout bounds the retries of an outcome's write. Later the claim expires, and the worker
	// that takes over finds the same outcome by the gateway key.
	settleTimeout = 5 * time.Minute

	minWriteBackoff = 50 * time.Millisecond
	maxWriteBackoff = time.Second
)

// completion is the write that completes a round or a lookup.
type completion struct {
	settlement payment.Settlement
	lookup     *payment.LookupRecord // replaces the settlement
}

// settle writes the outcome, and returns the payment once it is durable. If the database delays the
// write for longer than [Settings.Wait], the write is retried in the background, and the returned
// payment is unresolved. The error is payment.ErrFenced, or one that leaves the payment to the worker
// that takes over.
func (s *Service) settle(ctx context.Context, c *claim, done completion) (*payment.Payment, error) {
	began := time.Now()
	p, err := s.write(ctx, c, done)
	if err == nil || errors.Is(err, payment.ErrFenced) {
		return p, s.settled(ctx, p, began, done, err)
	}

	type written struct {
		payment *payment.Payment
		err     error
	}
	results := make(chan written, 1)
	s.work.add()
	go func() {
		defer s.work.end()
		p := c.payment
		err := s.retryWrite(ctx, settleTimeout, "settle", c.payment.OrderID, func() (err error) {
			began = time.Now()
			p, err = s.write(ctx, c, done)
			return err
		})
		results <- written{p, s.settled(ctx, p, began, done, err)}
	}()
	select {
	case w := <-results:
		return w.payment, w.err
	case <-time.After(s.Wait):
		unresolved := *c.payment
		unresolved.State = payment.StateUnresolved
		return &unresolved, nil
	}
}

// write makes the one write of a completion.
func (s *Service) write(ctx context.Context, c *claim, done completion) (*payment.Payment, error) {
	if done.lookup != nil {
		p, verdict, err := s.recordLookup(ctx, *done.lookup, time.Now())
		if err != nil {
			return c.payment, err
		}
		c.replay.Store(verdict == payment.VerdictReplay && p.Fence != c.payment.Fence)
		return p, nil
	}
	d, err := done.settlement.Apply(*c.payment, time.Now())
	if err != nil {
		return c.payment, fmt.Errorf("settle payment: %w", err)
	}
	return &d.Payment, s.payments.Settle(ctx, done.settlement)
}

// settled reports the result of a write that began at began to the requests that wait in this
// process, and to the log. An approval that could not be settled is recorded as evidence.
func (s *Service) settled(
	ctx context.Context, p *payment.Payment, began time.Time, done completion, err error,
) error {
	switch {
	case errors.Is(err, payment.ErrFenced) && done.settlement.Outcome.State.Approved():
		s.keepApproval(ctx, p, done.settlement.Outcome)
		return fmt.Errorf("settle payment: %w", err)
	case err != nil:
		s.logLost(p, err)
		return fmt.Errorf("settle payment: %w", err)
	}
	s.logSettled(p, done)
	s.flights.complete(p, began)
	holdDue := p.State == payment.StateAuthorized && p.DueAt.Sub(p.UpdatedAt) < s.poll(payment.WorkHolds)
	holdFree := p.State == payment.StateDeclined && !p.Operation.IsCharge() // the hold may have expired
	if p.State == payment.StateScheduled || done.lookup != nil || holdDue || holdFree {
		s.wakeQueue() // it may sleep past the new due time
	}
	return nil
}

// retryWrite repeats a write until it succeeds, the claim is lost or the timeout has passed. The
// write must be safe to repeat.
func (s *Service) retryWrite(
	ctx context.Context, timeout time.Duration, what string, id payment.OrderID, write func() error,
) error {
	began, backoff := time.Now(), minWriteBackoff
	for tries := 1; ; tries++ {
		err := write()
		if err == nil || errors.Is(err, payment.ErrFenced) || time.Since(began)+backoff > timeout {
			return err
		}
		if tries == 1 {
			s.logRetryWrite(ctx, what, id, err)
		}
		time.Sleep(backoff)
		backoff = min(2*backoff, maxWriteBackoff)
	}
}

// inDoubt converts an error of a request that may have charged: if the database was unavailable, the
// outcome is in doubt.
func inDoubt(err error) error {
	if errors.Is(err, ports.ErrUnavailable) {
		return fmt.Errorf("%w: %w", ports.ErrInDoubt, err)
	}
	return err
}
