package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
)

// deferredRetries sets when an async payment whose round failed gets another round.
func deferredRetries(s *core.Settings) {
	s.DeferredRetries = []time.Duration{5 * time.Minute, time.Hour}
}

func rounds(n int, s fake.Step) (all []fake.Step) {
	for range n {
		all = append(all, four(s)...)
	}
	return all
}

func TestDeferredRetries(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		script   []fake.Step
		with     []func(*core.Request)
		attempts int
		state    payment.State
		after    time.Duration // when the state is final
	}{
		{
			name: "gateway available in the second round", script: rounds(1, fake.Refuse()), with: []func(*core.Request){async},
			attempts: 5, state: payment.StateSucceeded, after: 6 * time.Minute,
		},
		{
			name: "gateway available in the third round", script: rounds(2, fake.Unavailable()), with: []func(*core.Request){async},
			attempts: 9, state: payment.StateSucceeded, after: 70 * time.Minute,
		},
		{
			name: "gateway never available", script: rounds(3, fake.Refuse()), with: []func(*core.Request){async},
			attempts: 12, state: payment.StateFailed, after: 70 * time.Minute,
		},
		{
			name: "declined in the second round", script: append(rounds(1, fake.Refuse()), fake.Decline("card_declined")),
			with: []func(*core.Request){async}, attempts: 5, state: payment.StateDeclined, after: 6 * time.Minute,
		},
		{
			name: "request rejected", script: []fake.Step{fake.Reject()}, with: []func(*core.Request){async},
			attempts: 1, state: payment.StateFailed, after: 0,
		},
		{
			name: "unknown, and lookups find nothing", script: rounds(1, fake.Timeout()),
			with: []func(*core.Request){async}, attempts: 5, state: payment.StateSucceeded, after: 8 * time.Minute,
		},
		{
			name: "the caller waited for the result", script: rounds(1, fake.Refuse()),
			attempts: 4, state: payment.StateFailed, after: 8 * time.Second,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.replica("a", deferredRetries)
				a.queue()
				a.pay(tt.with...)
				w.sleepUntil(tt.after)
				require.Equal(t, tt.state, w.stored().State)
				w.sleepUntil(2 * time.Hour)
				require.Equal(t, tt.state, w.stored().State)
				require.Len(t, w.attempts(), tt.attempts)
				require.Len(t, w.gateway.Keys(order), 1)
				if tt.state == payment.StateSucceeded {
					w.requireOnce()
				}
			}, tt.script...)
		})
	}
}

// The delay counts from the end of the round before.
func TestDeferredRetries_RoundFails_NextStartsAfterDelay(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a", deferredRetries)
		a.queue()
		a.pay(async)
		w.sleepUntil(time.Minute)
		p := w.stored()
		require.Equal(t, payment.StateScheduled, p.State)
		require.Equal(t, 7*time.Second+5*time.Minute, p.DueAt.Sub(w.began))
		require.Equal(t, 1, p.DeferredRetries)
		require.Contains(t, w.events(), payment.EventScheduled)
		w.sleepUntil(10 * time.Minute)
		attempts := w.attempts()
		require.InDelta(t, 7*time.Second+5*time.Minute, attempts[4], float64(100*time.Millisecond))
	}, rounds(1, fake.Refuse())...)
}

func TestDeferredRetries_RequestDuringDelay_ReturnsScheduled(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a", deferredRetries)
		a.queue()
		a.pay(async)
		w.sleepUntil(time.Minute)
		require.Equal(t, payment.StateScheduled, w.stored().State)

		got := a.pay()
		require.Equal(t, payment.StateScheduled, got.State)
		require.InDelta(t, 4*time.Minute+7*time.Second, got.RetryAfter, float64(time.Second))
		require.Len(t, w.attempts(), 4)
		w.sleepUntil(10 * time.Minute)
		require.Equal(t, payment.StateSucceeded, w.stored().State)
		w.requireOnce()
	}, rounds(1, fake.Refuse())...)
}
