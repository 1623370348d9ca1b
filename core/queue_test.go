package core_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
)

// A payment that is accepted for later is charged at once by a worker of the same process.
func TestQueueChargesWhatIsAccepted(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		a.queue()
		w.sleepUntil(100 * time.Millisecond) // it rests now
		got := a.pay(async)
		require.NoError(t, got.err)
		require.Equal(t, payment.StateScheduled, got.State)
		require.True(t, got.Async)
		require.Equal(t, poll, got.RetryAfter)

		synctest.Wait()
		require.Equal(t, payment.StateSucceeded, w.stored().State)
		require.Equal(t, []time.Duration{100 * time.Millisecond}, w.attempts(), "woken, not polled")
		require.True(t, a.pay(async).Replayed)
		a.log.requireLine(t, "payment resumed", "order_id=order-123")
		w.requireOnce()
	})
}

// The queue's round is that of a request.
func TestQueueRound(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		a.queue()
		a.pay(async)
		w.sleepUntil(10 * time.Second)
		require.Equal(t, seconds(0, 1, 3, 7), w.attempts())
		require.Equal(t, payment.StateSucceeded, w.stored().State)
		require.Len(t, w.history().Attempts, 4)
		w.requireOnce()
	}, four(fake.LoseAnswer())[:3]...)
}

// Whatever one replica leaves behind, the queue of another carries on, with the same key.
func TestQueueOfAnotherReplica(t *testing.T) {
	t.Parallel()
	for _, e := range []existing{scheduled, expired, unresolved, chargedLate} {
		t.Run(e.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				e.in(w)
				w.replica("b").queue()
				time.Sleep(3 * time.Minute)
				switch e.name {
				case unresolved.name:
					require.Equal(t, payment.StateFailed, w.stored().State, "asked, not charged again")
					require.Zero(t, w.gateway.Charges(order))
				default:
					require.Equal(t, payment.StateSucceeded, w.stored().State)
					w.requireOnce()
				}
			})
		})
	}
}

// A request that arrives while the queue is at the payment waits for the queue's end.
func TestRequestDuringTheQueuesRound(t *testing.T) {
	t.Parallel()
	for _, outcome := range outcomes {
		t.Run(outcome.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.replica("a")
				a.queue()
				a.pay(async)
				synctest.Wait()
				for _, c := range a.sendMany(100) {
					got := <-c
					require.NoError(t, got.err)
					require.Equal(t, outcome.state, got.State)
					require.Equal(t, outcome.after, got.took, "got by the worker, not by the next poll")
				}
				require.Len(t, w.attempts(), len(outcome.script))
			}, outcome.script...)
		})
	}
}

// An idle service makes less than two and a half statements a second, to look for three kinds of work.
func TestIdleServiceIsQuiet(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.replica("a").pay()
		idle := w.replica("idle")
		idle.queue()
		w.sleepUntil(time.Minute)
		beats := idle.calls("Heartbeat")
		require.Less(t, float64(len(idle.wire.Calls()))/60, 2.5)
		require.Greater(t, idle.calls("NextDue"), 50, "it does poll")
		require.Greater(t, idle.calls("Heartbeats"), 10, "it does look at the others")
		require.Greater(t, beats, 25, "it does beat")
		require.Zero(t, idle.calls("ClaimDue"), "no lock is taken where nothing is due")
	})
}

// Waiting for something that is due far off costs no more than waiting for nothing.
func TestWaitingServiceIsQuiet(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a", func(s *core.Settings) { s.DeferredRetries = []time.Duration{time.Hour} })
		a.queue()
		a.pay(async)
		w.sleepUntil(time.Minute)
		before := len(a.wire.Calls())
		w.sleepUntil(2 * time.Minute)
		require.Less(t, len(a.wire.Calls())-before, 150)
	}, four(fake.Refuse())...)
}

// A worker of the queue that panics harms neither the others nor the queue.
func TestWorkerPanics(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.gateway.OnCharge(func(c payment.Charge) fake.Step {
			if c.OrderID == order {
				panic("poison")
			}
			return fake.Approve()
		})
		a := w.replicaAt("a", unguarded{w.gateway})
		a.queue()
		a.pay(async)
		for i := range 50 {
			a.pay(async, forOrder(payment.OrderID(fmt.Sprintf("good-%d", i))))
		}
		synctest.Wait()
		require.Len(t, w.gateway.Taken(), 50)
		a.log.requireLine(t, "level=ERROR", "a worker panicked", "order_id=order-123", "poison")
	})
}

// A payment over which one worker after the other falls silent is set aside. It is asked
// about from then on, and never charged again by the queue.
func TestPoisonousPaymentIsSetAside(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.replica("a"), w.replica("b")
		for _, r := range []*replica{a, b} {
			r.always("Charge", fake.CrashBefore(exit))
			r.queue()
		}
		a.pay(async)
		w.sleepUntil(10 * lease)

		require.Equal(t, payment.MaxLostWorkers+1, a.calls("Charge")+b.calls("Charge"))
		require.Contains(t, w.events(), payment.EventQuarantined)
		require.Contains(t, w.history().Events[len(w.history().Events)-1].Detail, "failed: the gateway has no charge")
		require.Equal(t, payment.StateFailed, w.stored().State, "the lookups go on")
		require.Zero(t, w.gateway.Charges(order))
		if len(a.log.linesWith([]string{"payment quarantined"})) == 0 {
			b.log.requireLine(t, "payment quarantined", "order_id=order-123")
		}
	})
}

// The workers are bounded, and one that is done takes the next payment.
func TestWorkersAreBounded(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		const workers, payments = 3, 10
		w.gateway.OnCharge(func(payment.Charge) fake.Step { return fake.Slow(5*time.Second, fake.Approve()) })
		a := w.replica("a", func(s *core.Settings) { s.Workers = workers })
		a.queue()
		for i := range payments {
			a.pay(async, forOrder(payment.OrderID(fmt.Sprintf("order-%d", i))))
		}
		w.sleepUntil(time.Minute)

		started := make(map[time.Duration]int)
		for _, at := range w.gateway.Attempts() {
			started[at.At.Sub(w.began).Truncate(time.Second)]++
		}
		require.Equal(t, map[time.Duration]int{0: 3, 5 * time.Second: 3, 10 * time.Second: 3, 15 * time.Second: 1}, started)
		require.Len(t, w.gateway.Taken(), payments)
	})
}

// Workers that are all at slow payments do not keep the queue from ending.
func TestQueueEndsWithItsWorkers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a", func(s *core.Settings) { s.Workers = 1 })
		a.queue()
		a.pay(async)
		w.sleepUntil(time.Second)
		a.endQueue()
		require.Equal(t, 5*time.Second, w.since(), "after the payment in its hands")
		require.Equal(t, payment.StateSucceeded, w.stored().State)
	}, fake.Slow(5*time.Second, fake.Approve()))
}

// A backlog is worked off the longest due first, and retries advance with fresh work.
func TestBacklogIsFair(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.gateway.OnCharge(func(payment.Charge) fake.Step { return fake.Slow(time.Second, fake.Approve()) })
		w.gateway.Script("old", fake.Refuse())
		a := w.replica("a", func(s *core.Settings) { s.Workers = 2 })
		a.pay(async, forOrder("old"))
		for i := range 20 {
			time.Sleep(time.Millisecond)
			a.pay(async, forOrder(payment.OrderID(fmt.Sprintf("fresh-%02d", i))))
		}
		a.queue()
		w.sleepUntil(time.Minute)
		var order []payment.OrderID
		for _, taken := range w.gateway.Taken() {
			order = append(order, taken.OrderID)
		}
		require.Len(t, order, 21)
		require.Contains(t, order[:5], payment.OrderID("old"))
		require.Contains(t, order[19:], payment.OrderID("fresh-19"))
	})
}

// The claims of a replica that fell silent are taken over sooner than their lease runs out.
func TestSilentReplicaIsTakenOverSoon(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.replica("a"), w.replica("b")
		a.queue()
		b.queue()
		w.sleepUntil(3 * time.Second)
		for _, method := range []string{"Heartbeat", "NextDue", "Charge"} {
			a.always(method, fake.CrashBefore(exit))
		}
		<-a.send()
		w.sleepUntil(20 * time.Second)

		require.Equal(t, payment.StateSucceeded, w.stored().State)
		took := w.attempts()[0] - 3*time.Second
		require.Less(t, took, heartbeatTimeout+heartbeatTimeout/2+poll)
		require.Greater(t, took, heartbeatTimeout/2)
		b.log.requireLine(t, "the heartbeats of a replica expired", "expired=a")
		require.Len(t, b.log.linesWith([]string{"the heartbeats of a replica expired"}), 1)
		w.requireOnce()
	})
}

// A replica that is cut off for a while, but lives, is fenced out of what it had in hand.
func TestSilentReplicaThatLives(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.replica("a"), w.replica("b")
		a.queue()
		b.queue()
		w.sleepUntil(3 * time.Second)
		got := a.send()
		a.partition()
		w.sleepUntil(20 * time.Second)
		require.Equal(t, payment.StateSucceeded, w.stored().State)
		require.Equal(t, "b", w.stored().Replica)
		a.heal()
		require.Equal(t, "txn-1", (<-got).TransactionID)
		w.requireOnce()
	}, fake.Slow(9*time.Second, fake.Approve()))
}

// A database that is away stops the queue for as long as that lasts, and is said once.
func TestQueueWithoutDatabase(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		a.pay(async)
		a.always("NextDue", fake.FailBefore)
		a.queue()
		w.sleepUntil(time.Second / 2)
		require.Empty(t, w.attempts())
		a.heal()
		w.sleepUntil(3 * time.Second)
		require.Equal(t, payment.StateSucceeded, w.stored().State)
		require.NotEmpty(t, a.log.linesWith([]string{"queue paused: the database is unavailable"}))
		a.log.requireLine(t, "queue resumed: the database is available")
		w.requireOnce()
	})
}

// What others have locked is left to them until the next poll.
func TestWhatIsDueIsLockedByOthers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		a.pay(async)
		a.always("ClaimDue", func(context.Context, fake.Call, func()) error { return nil })
		a.queue()
		w.sleepUntil(time.Minute)
		require.InDelta(t, 60, a.calls("ClaimDue"), 3)
	})
}

// Claims whose answer was lost are nobody's until their lease runs out.
func TestClaimDueInDoubt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		a.pay(async)
		a.fault("ClaimDue", 1, fake.FailAfter)
		a.queue()
		w.sleepUntil(lease - time.Second)
		require.Empty(t, w.attempts())
		w.sleepUntil(lease + 2*poll)
		require.Equal(t, payment.StateSucceeded, w.stored().State)
		w.requireOnce()
	})
}
