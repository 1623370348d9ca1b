package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
)

// A gateway that does not honour gateway keys charges at every attempt, so the service never repeats an
// attempt that may have charged.
func TestNoIdempotency_Request(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		script   []fake.Step
		answers  []fake.Answer // to lookups; the last one holds
		attempts []time.Duration
		want     payment.State
		final    payment.State // after an hour
		charges  int
	}{
		{
			name: "not charged, repeated", script: []fake.Step{fake.Refuse(), fake.Refuse()},
			attempts: seconds(0, 1, 3), want: payment.StateSucceeded, final: payment.StateSucceeded, charges: 1,
		},
		{
			name: "unknown outcome, not repeated", script: []fake.Step{fake.Refuse(), fake.ChargeThenServerError()},
			attempts: seconds(0, 1), want: payment.StateSucceeded, final: payment.StateSucceeded, charges: 1,
		},
		{
			name: "unknown outcome, found by a later lookup", script: []fake.Step{fake.LoseAnswer()},
			answers:  []fake.Answer{fake.NoAnswer},
			attempts: seconds(0), want: payment.StateUnresolved, final: payment.StateSucceeded, charges: 1,
		},
		{
			name: "unknown outcome, failed by lookups", script: []fake.Step{fake.Timeout()},
			attempts: seconds(0), want: payment.StateUnresolved, final: payment.StateFailed,
		},
		{
			name: "unknown outcome, no lookup answered", script: []fake.Step{fake.LoseAnswer()},
			answers:  []fake.Answer{fake.NoAnswer, fake.NoAnswer, fake.NoAnswer, fake.NoAnswer, fake.NoAnswer, fake.NoAnswer, fake.NoAnswer, fake.NoAnswer, fake.NoAnswer, fake.NoAnswer},
			attempts: seconds(0), want: payment.StateUnresolved, final: payment.StateUnresolved, charges: 1,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.gateway.IgnoreKeys()
				w.gateway.ScriptLookUps(tt.answers...)
				a := w.replica("a")
				a.queue()
				require.Equal(t, tt.want, a.pay().State)
				require.Equal(t, tt.attempts, w.attempts())
				w.sleepUntil(30 * time.Minute)
				require.Equal(t, tt.final, w.stored().State)
				require.Equal(t, tt.attempts, w.attempts())
				require.Equal(t, tt.charges, w.gateway.Charges(order))
			}, tt.script...)
		})
	}
}

// A later request, and a worker that takes over, look the payment up instead of charging again.
func TestNoIdempotency_NextWorker_LooksUp(t *testing.T) {
	t.Parallel()
	t.Run("a request for the unresolved payment", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.gateway.IgnoreKeys()
			w.gateway.ScriptLookUps(fake.NoAnswer, fake.NoAnswer)
			a := w.replica("a")
			require.Equal(t, payment.StateUnresolved, a.pay().State)
			require.Equal(t, payment.StateUnresolved, a.pay().State)
			require.Equal(t, "txn-1", a.pay().TransactionID)
			require.Len(t, w.attempts(), 1)
			w.requireOnce()
		}, fake.LoseAnswer())
	})
	for name, crash := range map[string]func(func()) fake.Fault{
		"a takeover, charged": fake.CrashAfter, "a takeover, nothing sent": fake.CrashBefore,
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.gateway.IgnoreKeys()
				a, b := w.replica("a"), w.replica("b")
				a.fault("Charge", 1, crash(exit))
				<-a.send()
				b.queue()
				w.sleepUntil(5 * time.Minute)
				require.Len(t, w.attempts(), w.gateway.Charges(order), "the second worker has sent nothing")
				if w.gateway.Charges(order) == 1 {
					require.Equal(t, payment.StateSucceeded, w.stored().State)
				} else {
					require.Equal(t, payment.StateFailed, w.stored().State)
				}
			})
		})
	}
}

// A replica whose heartbeats expire during a backoff may still make its next attempt until its lease
// expires. A worker that takes over makes none.
func TestNoIdempotency_HeartbeatsExpireInBackoff_ChargesOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.gateway.IgnoreKeys()
		a := w.replica("a", func(s *core.Settings) { s.Wait = time.Minute }) // it waits for the gateway's Retry-After itself
		b := w.replica("b", func(s *core.Settings) { s.Wait = time.Second })
		a.queue()
		b.queue()
		got := a.send()
		w.sleepUntil(time.Second)
		a.partition()
		w.sleepUntil(25 * time.Second) // a's second attempt comes at 20 s
		a.heal()
		w.sleepUntil(5 * time.Minute)

		require.Contains(t, w.events(), payment.EventUnsendable)
		require.Equal(t, 1, w.gateway.Charges(order))
		require.Equal(t, payment.StateSucceeded, w.stored().State)
		<-got
	}, fake.RefuseFor(20*time.Second))
}
