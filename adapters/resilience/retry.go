package resilience

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	"paymentd/core/payment"
	"paymentd/ports"
)

const (
	factor = 2
	// maxDelay bounds the backoff for any number of retries.
	maxDelay = time.Minute
	// maxRetryAfter bounds what a gateway may ask for, because a caller waits for the round.
	maxRetryAfter = 30 * time.Second
)

// RetryOptions are the numbers of the retry policy.
type RetryOptions struct {
	MaxRetries int           // after the first attempt; 0 for none
	Delay      time.Duration // before the first retry; doubled before each further one
	Jitter     float64       // 0 to 1: each delay varies by up to this part of it, both ways
}

// MaxBackoff is the longest wait before a retry.
func (o RetryOptions) MaxBackoff() time.Duration {
	longest := max(maxDelay, o.Delay)
	return max(maxRetryAfter, longest+time.Duration(o.Jitter*float64(longest)))
}

// Retry is the retry policy with exponential backoff.
type Retry struct{ options RetryOptions }

var _ ports.Retry = (*Retry)(nil)

// NewRetry returns the policy.
func NewRetry(o RetryOptions) *Retry { return &Retry{options: o} }

// Run implements ports.Retry.
func (p *Retry) Run(ctx context.Context, round ports.Round) error {
	if ctx.Err() != nil {
		return context.Cause(ctx) // failsafe-go would still make the first attempt
	}
	// A policy is built for retries only, because most rounds are one attempt.
	r := round.Attempt()
	if !round.Again(r) {
		return nil
	}
	return p.retry(ctx, round, r)
}

// retry runs the policy for a round whose first attempt had the result r.
func (p *Retry) retry(ctx context.Context, round ports.Round, r payment.Result) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	attempts, again := 0, true
	left := max(0, p.options.MaxRetries-round.Used)
	policy := retrypolicy.NewBuilder[payment.Result]().
		HandleIf(func(payment.Result, error) bool { return again }).
		WithMaxRetries(left).
		ReturnLastFailure().
		WithDelayFunc(func(e failsafe.ExecutionAttempt[payment.Result]) time.Duration {
			return p.delay(e.LastResult(), round.Used+e.Attempts())
		}).
		OnRetryScheduled(func(e failsafe.ExecutionScheduledEvent[payment.Result]) {
			if err := round.BeforeBackoff(e.LastResult(), e.Delay); err != nil {
				cancel(err) // ends the wait, and with it the round
			}
		}).
		Build()
	_, err := failsafe.With(policy).WithContext(ctx).Get(func() (payment.Result, error) {
		if attempts++; attempts > 1 {
			r = round.Attempt()
			again = round.Again(r)
		}
		return r, nil
	})
	if !again || attempts > left {
		return nil // the last attempt ended the round, even if ctx was cancelled during it
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// delay returns how long to wait after the n-th attempt, n from 1: the backoff, or longer if the
// gateway asks for it.
//
// failsafe-go's own backoff is not used, because it applies the jitter to the gateway's Retry-After
// as well, and a Retry-After does not advance it.
func (p *Retry) delay(r payment.Result, n int) time.Duration {
	return max(min(r.RetryAfter, maxRetryAfter), p.backoff(n))
}

// backoff returns the exponential backoff after the n-th attempt, n from 1.
func (p *Retry) backoff(n int) time.Duration {
	d := p.options.Delay
	for ; n > 1 && d < maxDelay; n-- {
		d *= factor
	}
	d = min(d, max(maxDelay, p.options.Delay))
	jitter := p.options.Jitter * (2*rand.Float64() - 1) //nolint:gosec // jitter may be predictable
	return d + time.Duration(jitter*float64(d))
}
