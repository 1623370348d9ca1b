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

// Two replicas are asked for a new order at the same moment: one charges, both tell of it.
func TestTwoReplicasAtOnce(t *testing.T) {
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

// A replica that was taken over before it could write its outcome settles nothing. Its clients
// are told of the other's end, whatever it had seen itself.
func TestFencedOutIsAnsweredByTheOthersEnd(t *testing.T) {
	t.Parallel()
	timeout := fake.Timeout()
	for _, tt := range []struct {
		name   string
		script []fake.Step // of both, one after the other
		want   payment.State
	}{
		{"both approved", nil, payment.StateSucceeded},
		{"failed, then approved", four(fake.Refuse()), payment.StateSucceeded},
		{
			"failed, then declined", append(four(fake.Refuse()), fake.Decline("card_declined")),
			payment.StateDeclined,
		},
		{
			"failed, then nobody knows", append(four(fake.Refuse()), timeout, timeout, timeout, timeout),
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

// A worker that was fenced out with an approval records it: both callers get it at once, however long
// the worker that has taken over needs.
func TestFencedOutWithAnApproval_RecordsIt(t *testing.T) {
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
		require.NotContains(t, w.events(), payment.EventDouble, "both have the same transaction")
		a.log.requireLine(t, "level=ERROR", "fenced out with an approval", "order_id=order-123", "transaction_id=txn-1")
	})
}

// A worker that has charged and was fenced out does not say that nothing was charged, though it
// cannot learn what became of it.
func TestFencedOutWithoutDatabase(t *testing.T) {
	t.Parallel()
	for _, gone := range []string{"Find", "Claim"} {
		t.Run(gone, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.replica("a")
				a.fault("Settle", 1, func(context.Context, fake.Call, func()) error {
					time.Sleep(lease + time.Second)
					a.always(gone, fake.FailBefore)
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

// A replica that was paused past its lease, before an attempt, sends nothing: it claims the
// payment again, and finds it as the others have left it.
func TestPausePastTheLeaseSendsNothing(t *testing.T) {
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
			require.Equal(t, payment.StateDeclined, got.State, "the word of the one that has taken over")
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
			require.Equal(t, 1, w.stored().Attempts()-1, "the attempt that was never made is on record as one that may have been")
		})
	})
}

// While the lease of a dead worker runs, nobody charges. When it has run out, one does.
func TestClaimOfTheDeadIsTakenOverOnce(t *testing.T) {
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
		require.Equal(t, payment.ClassUnknownUnanswered, attempts[0].Class, "nobody saw its end")
		require.Zero(t, attempts[0].EndedAt)
		w.requireOnce()
	})
}

// The leases are the database's: a replica's own clock may be anything.
func TestLeaseIsOfTheDatabasesClock(t *testing.T) {
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
