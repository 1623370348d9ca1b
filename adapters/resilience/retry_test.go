package resilience_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/resilience"
	"paymentd/core/payment"
	"paymentd/internal/leaktest"
	"paymentd/ports"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

var (
	refused  = payment.Result{Class: payment.ClassNotCharged, Message: "connection refused"}
	approved = payment.Result{Class: payment.ClassApproved, TransactionID: "txn-1"}
)

func refusedFor(d time.Duration) payment.Result {
	r := refused
	r.RetryAfter = d
	return r
}

// round is a ports.Round with scripted results, followed by refusals. It records its calls.
type round struct {
	began    time.Time
	script   []payment.Result
	took     time.Duration // by each attempt
	attempts []time.Duration
	results  []payment.Result // arguments of BeforeBackoff
	delays   []time.Duration  // arguments of BeforeBackoff
	refuse   error            // returned by BeforeBackoff
}

func (r *round) run(ctx context.Context, p *resilience.Retry) error {
	r.began = time.Now()
	return p.Run(ctx, ports.Round{
		Attempt: func() payment.Result {
			r.attempts = append(r.attempts, time.Since(r.began))
			time.Sleep(r.took)
			if len(r.script) == 0 {
				return refused
			}
			result := r.script[0]
			r.script = r.script[1:]
			return result
		},
		Again: func(result payment.Result) bool { return result.Class.Retryable() },
		BeforeBackoff: func(result payment.Result, delay time.Duration) error {
			r.results, r.delays = append(r.results, result), append(r.delays, delay)
			return r.refuse
		},
	})
}

func seconds(s ...float64) (d []time.Duration) {
	for _, s := range s {
		d = append(d, time.Duration(s*float64(time.Second)))
	}
	return d
}

func TestRetry_Attempts_FollowTheBackoff(t *testing.T) {
	t.Parallel()
	standard := resilience.RetryOptions{MaxRetries: 3, Delay: time.Second}
	for _, tt := range []struct {
		name     string
		options  resilience.RetryOptions
		script   []payment.Result
		attempts []time.Duration
	}{
		{"all of them", standard, nil, seconds(0, 1, 3, 7)},
		{"until one is approved", standard, []payment.Result{refused, refused, approved}, seconds(0, 1, 3)},
		{"the first may do", standard, []payment.Result{approved}, seconds(0)},
		{"no retries", resilience.RetryOptions{Delay: time.Second}, nil, seconds(0)},
		{"one retry", resilience.RetryOptions{MaxRetries: 1, Delay: 3 * time.Second}, nil, seconds(0, 3)},
		{"no delay", resilience.RetryOptions{MaxRetries: 3}, nil, seconds(0, 0, 0, 0)},
		{
			"the delay has a bound",
			resilience.RetryOptions{MaxRetries: 8, Delay: 10 * time.Second},
			nil,
			seconds(0, 10, 30, 70, 130, 190, 250, 310, 370),
		},
		{
			"a configured delay beyond that is kept",
			resilience.RetryOptions{MaxRetries: 3, Delay: 5 * time.Minute},
			nil,
			seconds(0, 300, 600, 900),
		},
		{
			"the gateway wishes for later", standard,
			[]payment.Result{refusedFor(5 * time.Second)},
			seconds(0, 5, 7, 11),
		},
		{
			"the gateway wishes for sooner", standard,
			[]payment.Result{refused, refusedFor(time.Second)},
			seconds(0, 1, 3, 7),
		},
		{
			"the gateway wishes for too much", standard,
			[]payment.Result{refused, refused, refusedFor(time.Hour)},
			seconds(0, 1, 3, 33),
		},
		{
			"a wish without a delay",
			resilience.RetryOptions{MaxRetries: 2},
			[]payment.Result{refusedFor(2 * time.Second)},
			seconds(0, 2, 2),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := round{script: tt.script}
				require.NoError(t, r.run(t.Context(), resilience.NewRetry(tt.options)))
				require.Equal(t, tt.attempts, r.attempts)
				require.Equal(t, tt.attempts[len(tt.attempts)-1], time.Since(r.began), "no wait after the last")
				for i, delay := range r.delays {
					require.Equal(t, tt.attempts[i+1]-tt.attempts[i], delay, "announced before it begins")
				}
				require.Len(t, r.delays, len(tt.attempts)-1)
			})
		})
	}
}

func TestRetry_BeforeBackoff_GetsTheResult(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		unknown := payment.Result{Class: payment.ClassUnknownAnswered, Message: "503"}
		r := round{script: []payment.Result{refused, unknown, approved}}
		require.NoError(t, r.run(t.Context(), resilience.NewRetry(resilience.RetryOptions{MaxRetries: 3, Delay: time.Second})))
		require.Equal(t, []payment.Result{refused, unknown}, r.results)
	})
}

// Rounds share no state.
func TestRetry_Rounds_AreIndependent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := resilience.NewRetry(resilience.RetryOptions{MaxRetries: 3, Delay: time.Second})
		done := make(chan []time.Duration)
		for range 20 {
			go func() {
				var r round
				_ = r.run(context.Background(), p)
				done <- r.attempts
			}()
		}
		for range 20 {
			require.Equal(t, seconds(0, 1, 3, 7), <-done)
		}
	})
}

// Each delay varies by up to the jitter, both ways, but is not below the gateway's Retry-After.
func TestRetry_Jitter_IsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const jitter, wish = 0.2, 10 * time.Second
		p := resilience.NewRetry(resilience.RetryOptions{MaxRetries: 4, Delay: time.Second, Jitter: jitter})
		shorter, longer := 0, 0
		for range 500 {
			r := round{script: []payment.Result{refused, refused, refused, refusedFor(wish)}}
			require.NoError(t, r.run(t.Context(), p))
			require.Len(t, r.delays, 4)
			for i, base := range seconds(1, 2, 4) {
				require.InDelta(t, base, r.delays[i], jitter*float64(base))
				if r.delays[i] < base {
					shorter++
				} else {
					longer++
				}
			}
			require.GreaterOrEqual(t, r.delays[3], wish)
			require.LessOrEqual(t, float64(r.delays[3]), (1+jitter)*float64(wish))
		}
		require.Greater(t, shorter, 500)
		require.Greater(t, longer, 500)
	})
}

// A cancellation during a backoff ends the round at once, with its cause.
func TestRetry_CancelledInBackoff_ReturnsTheCause(t *testing.T) {
	t.Parallel()
	for _, cause := range []error{nil, errors.New("the service is stopping")} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(1500*time.Millisecond, func() { cancel(cause) })
			var r round
			err := r.run(ctx, resilience.NewRetry(resilience.RetryOptions{MaxRetries: 3, Delay: time.Second}))
			if cause == nil {
				cause = context.Canceled
			}
			require.ErrorIs(t, err, cause)
			require.Equal(t, 1500*time.Millisecond, time.Since(r.began))
			require.Equal(t, seconds(0, 1), r.attempts)
		})
	}
}

func TestRetry_CancelledBefore_MakesNoAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("the service is stopping")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		var r round
		require.ErrorIs(t, r.run(ctx, resilience.NewRetry(resilience.RetryOptions{MaxRetries: 3})), cause)
		require.Empty(t, r.attempts)
	})
}

// A cancellation during an attempt does not interrupt it. If its result ends the round, the round
// returns no error; otherwise there is no further attempt.
func TestRetry_CancelledDuringAttempt_FinishesIt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		options resilience.RetryOptions
		result  payment.Result
		cut     bool
	}{
		{"that is approved", resilience.RetryOptions{MaxRetries: 3, Delay: time.Second}, approved, false},
		{"that is the last", resilience.RetryOptions{Delay: time.Second}, refused, false},
		{"that another may follow", resilience.RetryOptions{MaxRetries: 3, Delay: time.Second}, refused, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				r := round{took: 3 * time.Second, script: []payment.Result{tt.result}}
				err := r.run(ctx, resilience.NewRetry(tt.options))
				if tt.cut {
					require.ErrorIs(t, err, context.Canceled)
				} else {
					require.NoError(t, err)
				}
				require.Len(t, r.attempts, 1)
				require.Equal(t, 3*time.Second, time.Since(r.began))
			})
		})
	}
}

// An error of BeforeBackoff ends the round at once, and is returned.
func TestRetry_BeforeBackoffFails_EndsTheRound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := round{refuse: payment.ErrFenced}
		err := r.run(t.Context(), resilience.NewRetry(resilience.RetryOptions{MaxRetries: 3, Delay: time.Second}))
		require.ErrorIs(t, err, payment.ErrFenced)
		require.Equal(t, seconds(0), r.attempts)
		require.Zero(t, time.Since(r.began))
	})
}

// BenchmarkRetry runs rounds whose first attempt succeeds, as most do.
func BenchmarkRetry(b *testing.B) {
	policy := resilience.NewRetry(resilience.RetryOptions{MaxRetries: 3, Delay: time.Second})
	b.ReportAllocs()
	for b.Loop() {
		_ = policy.Run(context.Background(), ports.Round{
			Attempt: func() payment.Result { return approved },
			Again:   func(r payment.Result) bool { return r.Class.Retryable() },
		})
	}
}
