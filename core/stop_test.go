package core_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
)

// stop stops the replica, with the default PAYMENTD_SHUTDOWN of 20 s, and returns how long it took.
func (r *replica) stop() (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	began := time.Now()
	err := r.Stop(ctx)
	return time.Since(began), err
}

// A payment in backoff is requeued at once, and its client gets that state. Another replica makes the next
// attempt when it was planned.
func TestStop_InBackoff_IsRequeued(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.replica("a"), w.replica("b")
		a.queue()
		b.queue()
		first := a.sendMany(20)
		w.sleepUntil(1500 * time.Millisecond) // the third attempt is planned at 3 s
		took, err := a.stop()

		require.NoError(t, err)
		require.Zero(t, took)
		for _, c := range first {
			got := <-c
			require.NoError(t, got.err)
			require.Equal(t, payment.StateScheduled, got.State)
			require.False(t, got.Async)
			require.Equal(t, 1500*time.Millisecond, got.RetryAfter, "the third attempt is planned at 3 s")
		}
		p := w.stored()
		require.Equal(t, payment.StateScheduled, p.State, "the claim is released")
		require.Equal(t, 3*time.Second, p.DueAt.Sub(w.began))
		require.Equal(t, core.ErrStopping.Error(), p.Reason)
		require.Len(t, w.history().Attempts, 2)
		require.Equal(t, 1, a.calls("Leave"))

		w.sleepUntil(4 * time.Second)
		require.Equal(t, payment.StateSucceeded, w.stored().State)
		attempts := w.attempts()
		require.Len(t, attempts, 3)
		require.InDelta(t, 3*time.Second, attempts[2], float64(100*time.Millisecond))
		require.NotContains(t, w.events(), payment.EventTakenOver)
		w.requireOnce()
	}, fake.Refuse(), fake.Refuse())
}

func TestStop_CallInFlight_OutcomeIsWrittenAndReturned(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		step fake.Step
		want payment.State
	}{
		{"approved", fake.Approve(), payment.StateSucceeded},
		{"declined", fake.Decline("card_declined"), payment.StateDeclined},
		{"refused", fake.Refuse(), payment.StateScheduled},
		{"no answer", fake.Timeout(), payment.StateScheduled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a, b := w.replica("a"), w.replica("b")
				a.queue()
				b.queue()
				first := a.sendMany(20)
				w.sleepUntil(time.Second)
				took, err := a.stop()

				require.NoError(t, err)
				require.Equal(t, 8*time.Second, took)
				require.NotContains(t, w.events(), payment.EventTakenOver, "its heartbeats continue until it has finished")
				for _, c := range first {
					got := <-c
					require.NoError(t, got.err)
					require.Equal(t, tt.want, got.State)
				}
				b.log.requireNoLine(t, "the heartbeats of a replica expired")

				w.sleepUntil(time.Minute)
				b.log.requireNoLine(t, "the heartbeats of a replica expired")
				if tt.want == payment.StateDeclined {
					require.Equal(t, payment.StateDeclined, w.stored().State)
				} else {
					require.Equal(t, payment.StateSucceeded, w.stored().State, "if not by a, then by b")
					w.requireOnce()
				}
			}, fake.Slow(9*time.Second, tt.step))
		})
	}
}

// During a stop, new payments are accepted for the queue, and final ones are replayed.
func TestStop_NewRequests_AreAcceptedForTheQueue(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		a.pay(forOrder("settled-before"))
		inFlight := a.send(forOrder("in-flight"))
		stopped := make(chan error)
		go func() { stopped <- a.Stop(context.Background()) }()
		synctest.Wait()

		require.ErrorIs(t, a.Ready(t.Context()), core.ErrStopping)
		got := a.pay()
		require.NoError(t, got.err)
		require.Equal(t, payment.StateScheduled, got.State)
		require.False(t, got.Async, "the client did not ask for it")
		require.Equal(t, payment.StateScheduled, w.stored().State)
		require.False(t, w.stored().Async)
		require.True(t, a.pay(forOrder("settled-before")).Replayed)
		require.ErrorIs(t, a.pay(withAmount("1.00", "USD")).err, core.ErrMismatch)

		require.Equal(t, payment.StateSucceeded, (<-inFlight).State)
		require.NoError(t, <-stopped)
		w.replica("b").queue()
		time.Sleep(2 * poll)
		require.Equal(t, payment.StateSucceeded, w.stored().State)
		w.requireOnce()
	}, fake.Approve(), fake.Slow(5*time.Second, fake.Approve()))
}

// Requests that wait for another replica do not delay a stop.
func TestStop_WhileWatching_RequestsAreBusy(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.replica("a"), w.replica("b")
		first := a.send()
		replies := b.sendMany(100)
		w.sleepUntil(time.Second)
		took, err := b.stop()
		require.NoError(t, err)
		require.Zero(t, took)
		for _, c := range replies {
			require.ErrorIs(t, (<-c).err, core.ErrBusy)
		}
		require.Equal(t, 1, b.calls("Claim"))
		require.Equal(t, payment.StateSucceeded, (<-first).State)
		w.requireOnce()
	}, fake.Slow(9*time.Second, fake.Approve()))
}

// The payments of the queue are requeued, including those that it is claiming.
func TestStop_OfTheQueue(t *testing.T) {
	t.Parallel()
	t.Run("in backoff", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			a := w.replica("a")
			a.queue()
			a.pay(async)
			w.sleepUntil(1500 * time.Millisecond)
			_, err := a.stop()
			require.NoError(t, err)
			require.Equal(t, payment.StateScheduled, w.stored().State)
			require.True(t, w.stored().Async)
			w.replica("b").queue()
			w.sleepUntil(5 * time.Second)
			require.Equal(t, payment.StateSucceeded, w.stored().State)
			w.requireOnce()
		}, fake.Refuse(), fake.Refuse())
	})
	t.Run("while it claims", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			a := w.replica("a")
			a.pay(async)
			a.fault("ClaimDue", 1, fake.DelayAnswer(time.Second))
			a.queue()
			w.sleepUntil(500 * time.Millisecond)
			_, err := a.stop()
			require.NoError(t, err)
			require.Equal(t, payment.StateScheduled, w.stored().State, "requeued, not left until its lease expires")
			require.Empty(t, w.attempts())
			w.replica("b").queue()
			w.sleepUntil(3 * time.Second)
			require.Equal(t, payment.StateSucceeded, w.stored().State)
			w.requireOnce()
		})
	})
	t.Run("after the stop", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			a := w.replica("a")
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				a.RunQueue(context.Background())
			}()
			w.sleepUntil(time.Second / 2)
			_, err := a.stop()
			require.NoError(t, err)
			<-ended
			require.Equal(t, time.Second/2, w.since(), "at once")
			a.pay(async)
			before := len(a.wire.Calls())
			time.Sleep(time.Minute)
			require.Equal(t, payment.StateScheduled, w.stored().State)
			require.Len(t, a.wire.Calls(), before, "a stopped replica makes no calls")
		})
	})
}

// Payments that a stop leaves unfinished are taken over.
func TestStop_ContextEnds_Returns(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.replica("a"), w.replica("b")
		a.queue()
		b.queue()
		a.always("Settle", fake.FailBefore)
		got := <-a.send()
		require.Equal(t, payment.StateUnresolved, got.State)
		took, err := a.stop()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 20*time.Second, took)
		require.Zero(t, a.calls("Leave"))

		time.Sleep(lease)
		require.Equal(t, payment.StateSucceeded, w.stored().State)
		require.Equal(t, "b", w.stored().Replica)
		a.heal()
		time.Sleep(2 * time.Second)
		a.log.requireLine(t, "fenced out")
		w.requireOnce()
	})
}

func TestStop_Twice_ReturnsNil(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		for range 2 {
			_, err := a.stop()
			require.NoError(t, err)
		}
	})
}
