package core_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

func TestDatabaseIsAwayAtTheClaim(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		a.partition()
		for _, c := range append(a.sendMany(20), a.sendMany(20, async)...) {
			got := <-c
			require.ErrorIs(t, got.err, ports.ErrUnavailable)
			require.Zero(t, got.took)
		}
		require.Empty(t, w.attempts())
		require.ErrorIs(t, a.Ready(t.Context()), ports.ErrUnavailable)

		a.heal()
		require.NoError(t, a.Ready(t.Context()))
		require.Equal(t, "txn-1", a.pay().TransactionID)
		w.requireOnce()
	})
}

// It is not known whether the claim was stored. Nothing is charged; whoever repeats the
// request, when the lease has run out at the latest, is served.
func TestClaimInDoubt(t *testing.T) {
	t.Parallel()
	for _, stored := range []bool{true, false} {
		name := "not stored"
		if stored {
			name = "stored"
		}
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.replica("a")
				a.fault("Claim", 1, inDoubt(stored))
				for _, c := range a.sendMany(20) {
					require.ErrorIs(t, (<-c).err, ports.ErrInDoubt, "all in line are got")
				}
				require.Empty(t, w.attempts())

				got := a.pay(withWait(time.Minute))
				require.Equal(t, "txn-1", got.TransactionID)
				if stored {
					require.InDelta(t, lease, got.took, float64(100*time.Millisecond))
				}
				w.requireOnce()
			})
		})
	}
}

func TestAcceptInDoubt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		a.fault("Claim", 1, fake.FailAfter)
		require.ErrorIs(t, a.pay(async).err, ports.ErrInDoubt)
		require.Equal(t, payment.StateScheduled, a.pay(async).State)
		a.queue()
		w.sleepUntil(poll)
		w.requireOnce()
	})
}

// inDoubt loses the answer of a call, which was made or was not, after a moment.
func inDoubt(made bool) fake.Fault {
	return func(_ context.Context, _ fake.Call, do func()) error {
		time.Sleep(time.Millisecond)
		if made {
			do()
		}
		return ports.ErrInDoubt
	}
}

// outage takes the database away from the first call of a method on, for a while.
func (r *replica) outage(method string, d time.Duration) {
	var began time.Time
	r.always(method, func(_ context.Context, _ fake.Call, do func()) error {
		if began.IsZero() {
			began = time.Now()
		}
		if time.Since(began) < d {
			return ports.ErrUnavailable
		}
		do()
		return nil
	})
}

func TestDatabaseIsAwayAtARenewal(t *testing.T) {
	t.Parallel()
	t.Run("for a moment", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			a := w.replica("a")
			a.outage("Renew", 3*time.Second)
			got := a.pay()
			require.Equal(t, "txn-1", got.TransactionID)
			attempts := w.attempts()
			require.Len(t, attempts, 2)
			require.InDelta(t, 4*time.Second, attempts[1], float64(time.Second), "the backoff follows the renewal")
			a.log.requireLine(t, "a database write failed; it is retried", "write=renew", "order_id=order-123")
			w.requireOnce()
		}, fake.Refuse())
	})
	t.Run("in doubt", func(t *testing.T) {
		for _, stored := range []bool{true, false} {
			inDoubt := inDoubt(stored)
			t.Run("", func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					a := w.replica("a")
					a.fault("Renew", 1, inDoubt)
					require.Equal(t, "txn-1", a.pay().TransactionID)
					require.Len(t, w.history().Attempts, 2, "recorded once")
					require.Equal(t, payment.ClassUnknownUnanswered, w.history().Attempts[0].Class)
					w.requireOnce()
				}, fake.LoseAnswer())
			})
		}
	})
	t.Run("for too long", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			a := w.replica("a")
			a.outage("Renew", time.Hour)
			got := a.pay()
			require.NoError(t, got.err)
			require.Equal(t, payment.StateScheduled, got.State, "handed to the queue")
			require.InDelta(t, wait, got.took, float64(time.Second))
			require.Equal(t, seconds(0), w.attempts())
			require.Contains(t, w.events(), payment.EventScheduled)
			require.Contains(t, w.stored().Reason, ports.ErrUnavailable.Error())
			require.Equal(t, payment.ClassUnknownUnanswered, w.history().Attempts[0].Class)

			w.replica("b").queue()
			w.sleepUntil(time.Minute)
			require.Equal(t, payment.StateSucceeded, w.stored().State)
			w.requireOnce()
		}, fake.LoseAnswer())
	})
	t.Run("for too long, and at the settlement as well", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			a := w.replica("a")
			a.fault("Claim", 1, func(_ context.Context, _ fake.Call, do func()) error {
				do()
				a.partition()
				return nil
			})
			got := a.pay()
			require.NoError(t, got.err)
			require.Equal(t, payment.StateUnresolved, got.State)
			require.InDelta(t, 2*wait, got.took, float64(time.Second))
			a.heal()
			time.Sleep(2 * time.Second)
			require.Equal(t, payment.StateScheduled, w.stored().State)
		}, fake.Refuse())
	})
}

// A success is told only once it is durable.
func TestDatabaseIsAwayAtTheSettlement(t *testing.T) {
	t.Parallel()
	t.Run("for a moment", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			a := w.replica("a")
			a.outage("Settle", 3*time.Second)
			for _, c := range a.sendMany(20) {
				got := <-c
				require.NoError(t, got.err)
				require.Equal(t, "txn-1", got.TransactionID)
				require.InDelta(t, 3500*time.Millisecond, got.took, float64(500*time.Millisecond))
			}
			a.log.requireLine(t, "a database write failed; it is retried", "write=settle")
			w.requireOnce()
		})
	})
	t.Run("in doubt", func(t *testing.T) {
		for _, stored := range []bool{true, false} {
			t.Run("", func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					a := w.replica("a")
					a.fault("Settle", 1, inDoubt(stored))
					got := a.pay()
					require.Equal(t, "txn-1", got.TransactionID)
					require.False(t, got.Replayed)
					require.Equal(t, payment.StateSucceeded, w.stored().State)
					w.requireOnce()
				})
			})
		}
	})
	t.Run("for longer than the caller waits", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			a := w.replica("a")
			a.outage("Settle", 25*time.Second)
			got := a.pay()
			require.NoError(t, got.err)
			require.Equal(t, payment.StateUnresolved, got.State, "not a success before it is durable")
			require.Empty(t, got.TransactionID)
			require.Equal(t, wait, got.took)
			require.Equal(t, payment.StateProcessing, w.stored().State)

			w.sleepUntil(27 * time.Second)
			require.Equal(t, payment.StateSucceeded, w.stored().State, "settled by itself")
			require.Equal(t, int64(1), w.stored().Fence)
			w.requireOnce()
		})
	})
	t.Run("for so long that another takes over", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			a, b := w.replica("a"), w.replica("b")
			a.outage("Settle", 2*time.Minute)
			require.Equal(t, payment.StateUnresolved, a.pay().State)
			b.queue()
			w.sleepUntil(3 * time.Minute)
			require.Equal(t, payment.StateSucceeded, w.stored().State)
			require.Equal(t, "b", w.stored().Replica)
			a.log.requireLine(t, "fenced out")
			w.requireOnce()
		})
	})
	t.Run("until this replica gives up", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			a := w.replica("a")
			a.outage("Settle", time.Hour)
			a.pay()
			w.sleepUntil(6 * time.Minute)
			a.log.requireLine(t, "level=ERROR", "the outcome could not be written", "state=succeeded")
			require.Equal(t, "txn-1", w.replica("b").pay().TransactionID)
			w.requireOnce()
		})
	})
}

// Those who join while an outcome waits for the database are not told what is not stored.
func TestWaitersWhileTheSettlementIsDelayed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		a.outage("Settle", 15*time.Second)
		first := a.send()
		w.sleepUntil(5 * time.Second)
		others := a.sendMany(20, withWait(20*time.Second))
		require.Equal(t, payment.StateUnresolved, (<-first).State)
		for _, c := range others {
			got := <-c
			require.NoError(t, got.err)
			require.Equal(t, "txn-1", got.TransactionID)
			require.InDelta(t, 11*time.Second, got.took, float64(time.Second))
		}
		w.requireOnce()
	})
}

// Who waits for another worker is told that the database is away only when the wait is over.
func TestDatabaseIsAwayWhileWatching(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		outage time.Duration
		err    error
	}{
		{"for a moment", 3 * time.Second, nil},
		{"until the wait is over", wait, ports.ErrUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a, b := w.replica("a"), w.replica("b")
				first := a.send()
				b.outage("Find", tt.outage)
				got := <-b.send()
				require.ErrorIs(t, got.err, tt.err)
				if tt.err == nil {
					require.Equal(t, "txn-1", got.TransactionID)
				} else {
					require.NotErrorIs(t, got.err, core.ErrBusy)
					require.Equal(t, wait, got.took)
				}
				<-first
				w.requireOnce()
			}, fake.Slow(9*time.Second, fake.Approve()))
		})
	}
}

func TestDatabaseIsAwayAsAnotherAmountIsRefused(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		first := a.send()
		a.fault("Claim", 1, fake.FailBefore)
		require.ErrorIs(t, a.pay(withAmount("1.00", "USD")).err, ports.ErrUnavailable)
		require.ErrorIs(t, a.pay(withAmount("1.00", "USD")).err, core.ErrMismatch)
		require.Equal(t, "txn-1", (<-first).TransactionID)
	}, fake.Slow(time.Second, fake.Approve()))
}

// The lookup at the end of a round is made with or without a database.
func TestDatabaseIsAwayAtTheLookup(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		a.add("Renew", 3, -1, fake.FailBefore)
		got := a.pay()
		require.Equal(t, "txn-1", got.TransactionID)
		require.Equal(t, seconds(0, 1, 3, 7), w.attempts())
		require.Equal(t, 1, w.gateway.LookUps())
		require.Len(t, w.history().Attempts, 4)
		require.Equal(t, payment.ClassUnknownUnanswered, w.history().Attempts[3].Class)
		require.Contains(t, w.events(), payment.EventReconciled)
		w.requireOnce()
	}, fake.Timeout(), fake.Timeout(), fake.Timeout(), fake.LoseAnswer())
}

// A claim that is lost before the lookup is nobody's to settle.
func TestFencedOutBeforeTheLookup(t *testing.T) {
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
