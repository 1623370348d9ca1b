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
	"paymentd/ports"
)

// Two replicas get requests for a new order at the same time: one charges, and both return the result.
func TestTwoReplicas_SameOrder_ChargeOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.replica("a"), w.replica("b")
		all := append(a.sendMany(100), b.sendMany(100)...)
		replayed := 0
		for _, c := range all {
			got := <-c
			require.NoError(t, got.err)
			require.Equal(t, "txn-1", got.TransactionID)
			if got.Replayed {
				replayed++
			}
		}
		require.Equal(t, len(all)-1, replayed)
		w.requireOnce()
	}, fake.Slow(time.Second, fake.Approve()))
}

// A replica that was taken over before it could write its outcome settles nothing. Its clients get the
// outcome of the other replica, even if its own attempt had another result.
func TestFencedOut_ReturnsOutcomeOfOtherReplica(t *testing.T) {
	t.Parallel()
	timeout := fake.Timeout()
	for _, tt := range []struct {
		name   string
		script []fake.Step // of both replicas, one after the other
		want   payment.State
	}{
		{"both approved", nil, payment.StateSucceeded},
		{"failed, then approved", four(fake.Refuse()), payment.StateSucceeded},
		{
			"failed, then declined", append(four(fake.Refuse()), fake.Decline("card_declined")),
			payment.StateDeclined,
		},
		{
			"failed, then unknown", append(four(fake.Refuse()), timeout, timeout, timeout, timeout),
			payment.StateUnresolved,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a, b := w.replica("a"), w.replica("b")
				a.fault("Settle", 1, fake.Delay(lease+10*time.Second))
				first := a.sendMany(20, withWait(2*time.Minute))
				synctest.Wait()
				other := b.pay(withWait(time.Minute))

				require.NoError(t, other.err)
				require.Equal(t, tt.want, other.State)
				for _, c := range first {
					got := <-c
					if tt.want == payment.StateSucceeded {
						require.NoError(t, got.err)
						require.Equal(t, other.TransactionID, got.TransactionID)
						require.True(t, got.Replayed)
					}
				}
				a.log.requireLine(t, "fenced out", "order_id=order-123", "fence=1")
				require.LessOrEqual(t, w.gateway.Charges(order), 1)
			}, tt.script...)
		})
	}
}

// A worker that was fenced out with an approval records it. Both callers get the approval at once, even
// if the worker that took over is slow.
func TestFencedOut_WithApproval_RecordsEvidence(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.replica("a"), w.replica("b", func(s *core.Settings) { s.Lease = time.Hour })
		a.fault("Settle", 1, fake.Delay(lease+time.Second))
		first := a.send()
		w.sleepUntil(lease + time.Second - time.Millisecond)
		b.fault("Settle", 1, fake.Delay(wait+time.Second))
		other := b.send()
		got := <-first
		require.NoError(t, got.err)
		require.Equal(t, "txn-1", got.TransactionID)
		require.Equal(t, lease+time.Second, got.took)
		require.Equal(t, "txn-1", (<-other).TransactionID)
		w.requireOnce()
		require.Contains(t, w.events(), payment.EventEvidence)
		require.NotContains(t, w.events(), payment.EventDouble, "both attempts have the same transaction")
		a.log.requireLine(t, "level=ERROR", "fenced out with an approval", "order_id=order-123", "transaction_id=txn-1")
	})
}

// A worker that has charged before it was fenced out does not report that nothing was charged, even if
// it cannot read the outcome.
func TestFencedOut_DatabaseUnavailable_IsInDoubt(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Find", "Claim"} {
		t.Run(method, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.replica("a")
				a.fault("Settle", 1, func(context.Context, fake.Call, func()) error {
					time.Sleep(lease + time.Second)
					a.always(method, fake.FailBefore)
					a.always("RecordApproval", fake.FailBefore)
					return payment.ErrFenced
				})
				got := a.pay()
				require.ErrorIs(t, got.err, ports.ErrInDoubt)
				require.Equal(t, 1, w.gateway.Charges(order))
				a.heal()
				require.Equal(t, "txn-1", a.pay().TransactionID)
				w.sleepUntil(w.since() + 2*time.Second) // the approval is recorded as well
				w.requireOnce()
			})
		})
	}
}

// A replica that was paused past its lease before an attempt sends nothing. It claims the payment again,
// and finds what other replicas have written.
func TestPausedPastLease_SendsNothing(t *testing.T) {
	t.Parallel()
	paused := fake.DelayAnswer(lease + time.Second)
	t.Run("after the claim", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			a := w.replica("a")
			a.fault("Claim", 1, paused)
			got := a.pay()
			require.Equal(t, "txn-1", got.TransactionID)
			require.Len(t, w.attempts(), 1)
			require.Greater(t, w.attempts()[0], lease, "by the second claim")
			require.Equal(t, int64(2), w.stored().Fence)
			w.requireOnce()
		})
	})
	t.Run("after the claim, and taken over", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			a, b := w.replica("a"), w.replica("b")
			a.fault("Claim", 1, paused)
			first := a.send()
			w.sleepUntil(lease)
			require.Equal(t, payment.StateDeclined, b.pay().State)
			got := <-first
			require.NoError(t, got.err)
			require.Equal(t, payment.StateDeclined, got.State, "the outcome of the replica that took over")
			require.Equal(t, seconds(30), w.attempts())
		}, fake.Decline("card_declined"))
	})
	t.Run("after a renewal", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			a, b := w.replica("a"), w.replica("b")
			a.fault("Renew", 1, paused)
			first := a.send()
			w.sleepUntil(lease + time.Second)
			require.Equal(t, "txn-1", b.pay().TransactionID)
			got := <-first
			require.Equal(t, "txn-1", got.TransactionID)
			require.True(t, got.Replayed)
			require.Equal(t, seconds(0, 31), w.attempts())
			w.requireOnce()
		}, fake.Refuse())
	})
	t.Run("in the queue", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			a := w.replica("a")
			a.pay(async)
			a.fault("ClaimDue", 1, paused)
			a.queue()
			w.sleepUntil(time.Minute)
			require.Equal(t, payment.StateSucceeded, w.stored().State)
			require.Equal(t, int64(2), w.stored().Fence)
			require.Len(t, w.attempts(), 1)
			require.Equal(t, 1, w.stored().Attempts()-1, "the attempt that was never made is recorded as possibly made")
		})
	})
}

// No replica charges during the lease of a crashed worker, and exactly one after it.
func TestClaimOfCrashedWorker_IsTakenOverOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b, c := w.replica("a"), w.replica("b"), w.replica("c")
		a.fault("Charge", 1, fake.CrashBefore(exit))
		<-a.send()
		w.sleepUntil(lease - time.Millisecond)
		require.ErrorIs(t, b.pay(withWait(0)).err, core.ErrBusy)
		w.sleepUntil(lease)
		for _, got := range append(b.sendMany(50), c.sendMany(50)...) {
			require.Equal(t, "txn-1", (<-got).TransactionID)
		}
		require.Equal(t, int64(2), w.stored().Fence)
		require.Contains(t, w.events(), payment.EventTakenOver)
		attempts := w.history().Attempts
		require.Equal(t, payment.ClassUnknownUnanswered, attempts[0].Class, "its result is unknown")
		require.Zero(t, attempts[0].EndedAt)
		w.requireOnce()
	})
}

// Leases are measured by the database's clock, so a replica's own clock may differ from it.
func TestLease_ClocksDiffer_IsHeld(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.payments.MoveClock(-5 * time.Hour)
		a, b := w.replica("a"), w.replica("b")
		first := a.send()
		require.ErrorIs(t, b.pay(withWait(0)).err, core.ErrBusy)
		require.Equal(t, "txn-1", (<-first).TransactionID)
		require.Equal(t, seconds(0, 1), w.attempts())
		w.requireOnce()
	}, fake.Refuse())
}

func TestFencedOut_BeforeLookup_LooksNothingUp(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.replica("a"), w.replica("b")
		a.fault("Renew", 4, fake.Delay(lease+time.Second))
		first := a.send()
		w.sleepUntil(7*time.Second + lease)
		require.Equal(t, "txn-1", b.pay().TransactionID)
		got := <-first
		require.Equal(t, "txn-1", got.TransactionID)
		require.True(t, got.Replayed)
		require.Zero(t, w.gateway.LookUps())
		w.requireOnce()
	}, four(fake.Timeout())...)
}
