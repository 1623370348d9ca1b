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

func TestOutage_AtClaim_ReturnsUnavailable(t *testing.T) {
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

// It is unknown whether the claim was stored. Nothing is charged, and a repeated request succeeds, at the
// latest after the lease has expired.
func TestOutage_ClaimInDoubt_ChargesNothing(t *testing.T) {
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
					require.ErrorIs(t, (<-c).err, ports.ErrInDoubt, "followers share the error")
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

func TestOutage_AcceptInDoubt_IsSafeToRepeat(t *testing.T) {
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

// inDoubt loses the answer of a call, which was made or not, after 1 ms.
func inDoubt(made bool) fake.Fault {
	return func(_ context.Context, _ fake.Call, do func()) error {
		time.Sleep(time.Millisecond)
		if made {
			do()
		}
		return ports.ErrInDoubt
	}
}

// outage makes the database unavailable to a method for a duration from its first call on.
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

func TestOutage_AtRenewal(t *testing.T) {
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
			require.Equal(t, payment.StateScheduled, got.State, "requeued")
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

// A success is returned only once it is durable.
func TestOutage_AtSettlement(t *testing.T) {
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
	t.Run("until another replica takes over", func(t *testing.T) {
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

// Requests that arrive while the write of an outcome is retried get the outcome only once it is stored.
func TestOutage_AtSettlement_FollowersGetStoredOutcome(t *testing.T) {
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

// A request that waits for another worker gets the database's error only after its timeout.
func TestOutage_WhileWatching(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		outage time.Duration
		err    error
	}{
		{"for a moment", 3 * time.Second, nil},
		{"until the timeout", wait, ports.ErrUnavailable},
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

func TestOutage_AtRefusalOfAnotherAmount_ReturnsUnavailable(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		first := a.send()
		a.fault("Claim", 1, fake.FailBefore)
		require.ErrorIs(t, a.pay(withAmount("1.00", "USD")).err, ports.ErrUnavailable)
		require.ErrorIs(t, a.pay(withAmount("1.00", "USD")).err, core.ErrMismatch)
		require.Equal(t, "txn-1", (<-first).TransactionID)
	}, fake.Slow(time.Second, fake.Approve()))
}

// The lookup at the end of a round is made even if the database is unavailable.
func TestOutage_AtLookup_LooksUp(t *testing.T) {
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

// An outage is logged when it begins and when it is over, even if several parts of the background work fail, and
// succeed in between.
func TestOutage_SeveralPartsFail_IsLoggedAsTwoLines(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		a.queue()
		w.sleepUntil(30 * time.Second)
		a.always("Heartbeat", func(context.Context, fake.Call, func()) error { return ports.ErrNotWritable })
		w.sleepUntil(2 * time.Minute)
		require.Len(t, a.log.linesWith([]string{"queue paused: the database is unavailable", ports.ErrNotWritable.Error()}), 1)
		a.log.requireNoLine(t, "queue resumed: the database is available")
		a.heal()
		w.sleepUntil(3 * time.Minute)
		require.Len(t, a.log.linesWith([]string{"queue paused: the database is unavailable"}), 1)
		a.log.requireLine(t, "queue resumed: the database is available", "outage=1m28.5s")
	})
}
