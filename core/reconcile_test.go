package core_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core/payment"
)

// lookUps returns the times at which a replica looked up a key.
func (r *replica) lookUps() (at []time.Duration) {
	for _, c := range r.wire.Calls() {
		if c.Method == "LookUp" {
			at = append(at, c.At.Sub(r.world.began))
		}
	}
	return at
}

// requireAt checks that the events happened at the wanted times, or within 100 ms after.
func requireAt(t *testing.T, want, got []time.Duration) {
	t.Helper()
	require.Len(t, got, len(want), "%v", got)
	for i := range want {
		require.InDelta(t, want[i], got[i], float64(100*time.Millisecond), "%v", got)
	}
}

// Lookups are repeated at growing intervals until there is an answer; nothing is charged.
func TestReconcile_NoAnswer_RepeatsAtGrowingIntervals(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.gateway.OnLookUp(func(payment.GatewayKey) fake.Answer { return fake.NoAnswer })
		a := w.replica("a")
		a.queue()
		got := a.pay()
		require.Equal(t, payment.StateUnresolved, got.State)
		require.Equal(t, lookupFirst, got.RetryAfter)
		w.sleepUntil(2 * time.Hour)

		want, next := seconds(7), 12*time.Second
		for interval := 2 * lookupFirst; next < 2*time.Hour; interval = min(2*interval, lookupMax) {
			want = append(want, next)
			next += interval
		}
		requireAt(t, want, a.lookUps())
		require.Equal(t, []time.Duration{7e9, 12e9, 22e9, 42e9, 82e9}, want[:5], "at 7 s, and then after 5, 10, 20 and 40 s")
		require.Equal(t, lookupMax, want[len(want)-1]-want[len(want)-2])
		require.Len(t, w.attempts(), 4, "it never charges")
		require.Equal(t, payment.StateUnresolved, w.stored().State, "no state without an answer")
		require.Equal(t, len(want)-1, w.stored().Lookups)
		a.log.requireLine(t, "payment still unresolved", "order_id=order-123", "lookups=3")
	}, four(fake.LoseAnswer())...)
}

func TestReconcile_Answer_Settles(t *testing.T) {
	t.Parallel()
	unanswered := four(fake.Timeout())
	for _, tt := range []struct {
		name    string
		script  []fake.Step
		answers []fake.Answer // after that of the round
		state   payment.State
		after   time.Duration
		charges int
	}{
		{
			name: "found", script: four(fake.LoseAnswer()), answers: []fake.Answer{fake.NoAnswer},
			state: payment.StateSucceeded, after: 12 * time.Second, charges: 1,
		},
		{
			name: "found declined", script: four(fake.WithoutAnswer(fake.Decline("card_declined"))),
			answers: []fake.Answer{fake.NoAnswer}, state: payment.StateDeclined, after: 12 * time.Second,
		},
		{
			name: "nothing found, every attempt answered", script: four(fake.Unavailable()),
			answers: []fake.Answer{fake.NoAnswer}, state: payment.StateFailed, after: 12 * time.Second,
		},
		{
			// Lookups at 12, 22 and 42 s prove nothing: the last attempt, at 7 s, may arrive until 67 s.
			name: "nothing found, no attempt can arrive any more", script: unanswered,
			state: payment.StateFailed, after: 82 * time.Second,
		},
		{
			name: "a charge that arrives late", script: append(four(fake.Timeout())[:3], fake.ChargeLate(50*time.Second)),
			state: payment.StateSucceeded, after: 82 * time.Second, charges: 1,
		},
		{
			name: "processing", script: four(fake.Unavailable()),
			answers: []fake.Answer{fake.StillProcessing, fake.StillProcessing, fake.StillProcessing, fake.StillProcessing, fake.StillProcessing},
			state:   payment.StateFailed, after: 162 * time.Second,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.gateway.ScriptLookUps(tt.answers...)
				a, b := w.replica("a"), w.replica("b")
				a.queue()
				b.queue()
				require.Equal(t, payment.StateUnresolved, a.pay().State)
				w.sleepUntil(tt.after - time.Second)
				require.Equal(t, payment.StateUnresolved, w.stored().State)
				w.sleepUntil(tt.after + time.Second)
				require.Equal(t, tt.state, w.stored().State)
				require.Equal(t, tt.charges, w.gateway.Charges(order))
				require.Len(t, w.attempts(), 4)
				require.Contains(t, w.events(), payment.EventReconciled)

				lookups := w.gateway.LookUps()
				if tt.state == payment.StateFailed {
					lookups++ // the second lookup, which closes the key
				}
				w.sleepUntil(time.Hour)
				require.Equal(t, lookups, w.gateway.LookUps(), "a closed key is not looked up again")
				require.Equal(t, tt.state, w.stored().State)
			}, tt.script...)
		})
	}
}

// A lookup that is sent while an attempt may still arrive proves nothing, even if its answer arrives later.
func TestReconcile_SlowLookup_ProvesNothing(t *testing.T) {
	t.Parallel()
	t.Run("of the reconciler", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			// Lookups at 7, 12, 22 and 42 s. The gateway answers the fourth at once, and the answer
			// arrives at 69 s; the charge arrives at 66 s, which is within Late.
			a := w.replicaAt("a", unguarded{w.gateway})
			a.fault("LookUp", 4, fake.DelayAnswer(27*time.Second))
			a.queue()
			require.Equal(t, payment.StateUnresolved, a.pay().State)
			w.sleepUntil(70 * time.Second)
			require.Equal(t, 1, w.gateway.Charges(order), "charged")
			require.Equal(t, payment.StateUnresolved, w.stored().State)
			w.sleepUntil(90 * time.Second)
			require.Equal(t, payment.StateSucceeded, w.stored().State)
		}, append(four(fake.Timeout())[:3], fake.ChargeLate(59*time.Second))...)
	})
	t.Run("of the round", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			a := w.replicaAt("a", unguarded{w.gateway})
			a.fault("LookUp", 1, fake.DelayAnswer(61*time.Second))
			got := a.pay()
			require.Equal(t, 1, w.gateway.Charges(order), "charged")
			require.Equal(t, payment.StateUnresolved, got.State)
		}, append(four(fake.Timeout())[:3], fake.ChargeLate(59*time.Second))...)
	})
}

// The rule of late charges uses elapsed time, so the database's clock may differ.
func TestReconcile_DatabaseClockDiffers_LateIsElapsedTime(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.payments.MoveClock(3 * time.Hour)
		a := w.replica("a")
		a.queue()
		a.pay()
		w.sleepUntil(81 * time.Second)
		require.Equal(t, payment.StateUnresolved, w.stored().State)
		w.sleepUntil(83 * time.Second)
		require.Equal(t, payment.StateFailed, w.stored().State)
	}, four(fake.Timeout())...)
}

func TestReconcile_ManyReplicas_LookUpOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.gateway.OnLookUp(func(payment.GatewayKey) fake.Answer { return fake.NoAnswer })
		for _, name := range []string{"a", "b", "c"} {
			w.replica(name).queue()
		}
		w.replica("d").pay()
		w.sleepUntil(43 * time.Second)
		require.Equal(t, 4, w.gateway.LookUps(), "at 7, 12, 22 and 42 s")
	}, four(fake.Timeout())...)
}

func TestReconcile_DatabaseUnavailable_WriteIsRetried(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.gateway.ScriptLookUps(fake.NoAnswer)
		a := w.replica("a")
		a.queue()
		a.pay()
		a.outage("RecordLookup", 20*time.Second)
		w.sleepUntil(31 * time.Second)
		require.Equal(t, payment.StateUnresolved, w.stored().State)
		w.sleepUntil(45 * time.Second)
		require.Equal(t, payment.StateSucceeded, w.stored().State)
		w.requireOnce()
	}, four(fake.LoseAnswer())...)
}

// A request for an unresolved payment during a lookup charges with the same key, and fences the lookup out.
func TestReconcile_RequestDuringLookup_Charges(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.replica("a"), w.replica("b")
		a.fault("LookUp", 2, fake.DelayAnswer(5*time.Second))
		a.queue()
		a.pay()
		w.sleepUntil(15 * time.Second)
		got := b.pay()
		require.Equal(t, "txn-1", got.TransactionID)
		synctest.Wait()
		w.sleepUntil(time.Minute)
		require.Equal(t, payment.StateSucceeded, w.stored().State)
		w.requireOnce()
	}, four(fake.Timeout())...)
}

// A lookup whose worker crashes does not delay the next one.
func TestReconcile_WorkerCrashes_NextLookupIsOnTime(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		w.gateway.ScriptLookUps(fake.NoAnswer)
		a.fault("LookUp", 2, func(context.Context, fake.Call, func()) error { exit(); return nil })
		a.queue()
		a.pay()
		w.sleepUntil(23 * time.Second)
		require.Equal(t, payment.StateSucceeded, w.stored().State)
		requireAt(t, seconds(7, 12, 22), a.lookUps())
		w.requireOnce()
	}, four(fake.LoseAnswer())...)
}
