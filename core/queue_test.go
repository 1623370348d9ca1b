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

// The queue of the same process charges an accepted payment at once.
func TestQueue_PaymentAccepted_IsChargedAtOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		a.queue()
		w.sleepUntil(100 * time.Millisecond) // it sleeps now
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

// The queue makes the same attempts as a request.
func TestQueue_AttemptsFail_MakesARound(t *testing.T) {
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

// The queue resumes payments of another replica, with the same key.
func TestQueue_PaymentOfAnotherReplica_IsResumed(t *testing.T) {
	t.Parallel()
	for _, e := range []existing{scheduled, expired, unresolved, chargedLate} {
		t.Run(e.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				e.in(w)
				w.replica("b").queue()
				time.Sleep(3 * time.Minute)
				switch e.name {
				case unresolved.name:
					require.Equal(t, payment.StateFailed, w.stored().State, "looked up, not charged again")
					require.Zero(t, w.gateway.Charges(order))
				default:
					require.Equal(t, payment.StateSucceeded, w.stored().State)
					w.requireOnce()
				}
			})
		})
	}
}

// A request that arrives while the queue processes the payment waits for its outcome.
func TestQueue_RequestsDuringRound_GetTheOutcome(t *testing.T) {
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
					require.Equal(t, outcome.after, got.took, "shared by the worker, not found by the next poll")
				}
				require.Len(t, w.attempts(), len(outcome.script))
			}, outcome.script...)
		})
	}
}

// An idle service makes less than 2.7 calls a second, to look for four kinds of work.
func TestQueue_NothingStored_MakesFewCalls(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.replica("a").pay()
		idle := w.replica("idle")
		idle.queue()
		w.sleepUntil(time.Minute)
		heartbeats := idle.calls("Heartbeat")
		require.Less(t, float64(len(idle.wire.Calls()))/60, 2.7)
		require.Greater(t, idle.calls("NextDue"), 50, "it polls")
		require.Greater(t, idle.calls("Heartbeats"), 10, "it checks the other replicas")
		require.Greater(t, heartbeats, 25, "it stores heartbeats")
		require.Zero(t, idle.calls("ClaimDue"), "no lock is taken if nothing is due")
	})
}

func TestQueue_NothingDueYet_MakesFewCalls(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a", func(s *core.Settings) { s.DeferredRetries = []time.Duration{time.Hour} })
		a.queue()
		a.pay(async)
		w.sleepUntil(time.Minute)
		before := len(a.wire.Calls())
		w.sleepUntil(2 * time.Minute)
		require.Less(t, len(a.wire.Calls())-before, 162)
	}, four(fake.Refuse())...)
}

// A panic of one worker affects neither the other workers nor the queue.
func TestQueue_WorkerPanics_OtherPaymentsAreCharged(t *testing.T) {
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

// A payment whose workers are lost one after the other is quarantined: the queue looks it up from then on,
// and never charges it again.
func TestQueue_WorkersLostInARow_PaymentIsQuarantined(t *testing.T) {
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
		require.Equal(t, payment.StateFailed, w.stored().State, "lookups continue")
		require.Zero(t, w.gateway.Charges(order))
		if len(a.log.linesWith([]string{"payment quarantined"})) == 0 {
			b.log.requireLine(t, "payment quarantined", "order_id=order-123")
		}
	})
}

// The number of workers is limited, and one that finishes takes the next payment.
func TestQueue_MorePaymentsThanWorkers_RunsWorkersAtOnce(t *testing.T) {
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

func TestQueue_ContextEnds_ReturnsAfterItsPayments(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a", func(s *core.Settings) { s.Workers = 1 })
		a.queue()
		a.pay(async)
		w.sleepUntil(time.Second)
		a.endQueue()
		require.Equal(t, 5*time.Second, w.since(), "after the payment that it processed")
		require.Equal(t, payment.StateSucceeded, w.stored().State)
	}, fake.Slow(5*time.Second, fake.Approve()))
}

// The payment that has been due longest comes first, so that retries are not delayed by new payments.
func TestQueue_Backlog_LongestDueFirst(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.gateway.OnCharge(func(payment.Charge) fake.Step { return fake.Slow(time.Second, fake.Approve()) })
		w.gateway.Script("old", fake.Refuse())
		a := w.replica("a", func(s *core.Settings) { s.Workers = 2 })
		a.pay(async, forOrder("old"))
		for i := range 20 {
			time.Sleep(time.Millisecond)
			a.pay(async, forOrder(payment.OrderID(fmt.Sprintf("new-%02d", i))))
		}
		a.queue()
		w.sleepUntil(time.Minute)
		var order []payment.OrderID
		for _, taken := range w.gateway.Taken() {
			order = append(order, taken.OrderID)
		}
		require.Len(t, order, 21)
		require.Contains(t, order[:5], payment.OrderID("old"))
		require.Contains(t, order[19:], payment.OrderID("new-19"))
	})
}

// The claims of a replica without heartbeats are taken over before their leases expire.
func TestQueue_ReplicaCrashes_ClaimsAreTakenOverBeforeLease(t *testing.T) {
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

// A replica that could not reach the database for some time is fenced out of the payments it held.
func TestQueue_ReplicaPartitioned_IsFencedOut(t *testing.T) {
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

// The queue stops while the database is unavailable, and the outage is logged once.
func TestQueue_DatabaseUnavailable_ResumesAfterOutage(t *testing.T) {
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

// Payments that other replicas have locked are left to them until the next poll.
func TestQueue_DuePaymentsLocked_WaitsForNextPoll(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		a.pay(async)
		a.always("ClaimDue", func(context.Context, fake.Call, func()) error { return nil })
		a.queue()
		w.sleepUntil(time.Minute)
		require.InDelta(t, 60, a.calls("ClaimDue"), 3)
	})
}

// No worker knows of a claim whose answer was lost, until its lease has expired.
func TestQueue_ClaimInDoubt_IsTakenOverAfterLease(t *testing.T) {
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
