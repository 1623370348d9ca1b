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
	// maxDelay bounds the backoff, however many retries are configured.
	maxDelay = time.Minute
	// maxRetryAfter bounds what a gateway may ask for: a caller waits for the round.
	maxRetryAfter = 30 * time.Second
)

// RetryOptions are the retry policy's numbers.
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
		return context.Cause(ctx) // failsafe-go makes the first attempt all the same
	}
	// Most rounds have one attempt. It is made before there is a policy, which then begins with
	// its result.
	first := round.Attempt()
	if !round.Again(first) {
		return nil
	}
	return p.goOn(ctx, round, first)
}

// goOn is a round whose first attempt may be followed by others.
func (p *Retry) goOn(ctx context.Context, round ports.Round, first payment.Result) error {
	ctx, cut := context.WithCancelCause(ctx)
	defer cut(nil)

	attempts, again := 0, true
	left := max(0, p.options.MaxRetries-round.Used)
	attempt := func() (payment.Result, error) {
		r := first
		if attempts++; attempts > 1 {
			r = round.Attempt()
			again = round.Again(r)
		}
		return r, nil
	}
	policy := p.policy(round.Used, left, func(payment.Result, error) bool { return again },
		func(r payment.Result, delay time.Duration) {
			if err := round.BeforeBackoff(r, delay); err != nil {
				cut(err)
			}
		})
	_, err := failsafe.With(policy).WithContext(ctx).Get(attempt)

	if !again || attempts > left {
		return nil // the round came to its end, whatever happened to ctx meanwhile
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// policy leaves no delay to failsafe-go's own backoff: that varies a wish of the gateway by the
// jitter as well, and after a wish goes on where it was before.
func (p *Retry) policy(
	used, left int, again func(payment.Result, error) bool, scheduled func(payment.Result, time.Duration),
) retrypolicy.RetryPolicy[payment.Result] {
	return retrypolicy.NewBuilder[payment.Result]().
		HandleIf(again).
		WithMaxRetries(left).
		ReturnLastFailure().
		WithDelayFunc(func(e failsafe.ExecutionAttempt[payment.Result]) time.Duration {
			wish := min(e.LastResult().RetryAfter, maxRetryAfter)
			return max(wish, p.backoff(used+e.Attempts()))
		}).
		OnRetryScheduled(func(e failsafe.ExecutionScheduledEvent[payment.Result]) {
			scheduled(e.LastResult(), e.Delay)
		}).
		Build()
}

// backoff is the delay after the n-th attempt, n from 1.
func (p *Retry) backoff(n int) time.Duration {
	d := p.options.Delay
	for ; n > 1 && d < maxDelay; n-- {
		d *= factor
	}
	d = min(d, max(maxDelay, p.options.Delay))
	jitter := p.options.Jitter * (2*rand.Float64() - 1) //nolint:gosec // nobody gains by a guess
	return d + time.Duration(jitter*float64(d))
}
