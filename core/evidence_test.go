package core_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

// overlay replaces the answers of a gateway, as an intermediary or a defect of the gateway would. The
// fake behind it keeps the ledger.
type overlay struct {
	ports.Gateway

	charge func(n int, do func() payment.Result) payment.Result
	lookUp func(n int, do func() payment.Lookup) payment.Lookup

	mu               sync.Mutex
	charges, lookUps int
}

// count returns the number of a call, from 1.
func (o *overlay) count(calls *int) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	*calls++
	return *calls
}

func (o *overlay) Charge(ctx context.Context, c payment.Charge) payment.Result {
	n := o.count(&o.charges)
	do := func() payment.Result { return o.Gateway.Charge(ctx, c) }
	if o.charge == nil {
		return do()
	}
	return o.charge(n, do)
}

func (o *overlay) LookUp(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	n := o.count(&o.lookUps)
	do := func() payment.Lookup { return o.Gateway.LookUp(ctx, ref) }
	if o.lookUp == nil {
		return do()
	}
	return o.lookUp(n, do)
}

func (w *world) overlay() *overlay { return &overlay{Gateway: w.gateway} }

var (
	lostAnswer   = payment.Result{Class: payment.ClassUnknownUnanswered, Message: "no answer"}
	serverError  = payment.Result{Class: payment.ClassUnknownAnswered, Message: "500"}
	duplicate    = payment.Result{Class: payment.ClassDeclined, Code: "duplicate_transaction"}
	cardDeclined = payment.Result{Class: payment.ClassDeclined, Code: "card_declined", Message: "no"}
	nothing      = payment.Lookup{Result: payment.FoundNothing}
	noAnswer     = payment.Lookup{Result: payment.FoundNoAnswer, Message: "404 page not found"}
)

// The answer of the first attempt, which charges, is lost. The decline answers the second attempt only.
func TestDecline_AfterChargeWithLostAnswer_IsLookedUp(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		g := w.overlay()
		g.charge = func(n int, do func() payment.Result) payment.Result {
			if n == 1 {
				do()
				return lostAnswer
			}
			return duplicate
		}
		a := w.replicaAt("a", g)
		got := a.pay()
		require.NoError(t, got.err)
		require.Equal(t, payment.StateSucceeded, got.State)
		require.Equal(t, 1, g.lookUps)
		w.requireOnce()
	})
}

// If the lookup finds nothing, the payment is unresolved until the key is closed, and then declined,
// because a new key before that could charge a second time.
func TestDecline_AfterUnknownAttempt_IsFinalOnceKeyIsClosed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		g := w.overlay()
		g.charge = func(n int, do func() payment.Result) payment.Result {
			switch n {
			case 1:
				return lostAnswer
			case 2:
				return cardDeclined
			}
			return do()
		}
		g.lookUp = func(int, func() payment.Lookup) payment.Lookup { return nothing }
		a := w.replicaAt("a", g)
		a.queue()
		require.Equal(t, payment.StateUnresolved, a.pay().State)
		w.sleepUntil(late + time.Second) // one lookup without a charge is not enough
		require.Equal(t, payment.StateUnresolved, w.stored().State)
		w.sleepUntil(5 * time.Minute)
		p := w.stored()
		require.Equal(t, payment.StateDeclined, p.State)
		require.Equal(t, "card_declined", p.Code)
		require.Equal(t, payment.ClosedAbsent, w.history().Keys[0].Closed)

		require.Equal(t, payment.StateSucceeded, a.pay().State)
		require.Len(t, w.gateway.Keys(order), 1, "the fake has seen the new key alone")
		require.NotEqual(t, p.GatewayKey, w.stored().GatewayKey)
		require.Equal(t, 1, w.gateway.Charges(order))
	})
}

// The gateway's reads lag: the first lookup fails the payment, and the second finds the charge.
func TestFailedByOneLookup_SecondFindsCharge_Succeeds(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		g := w.overlay()
		g.charge = func(_ int, do func() payment.Result) payment.Result { do(); return serverError }
		g.lookUp = func(_ int, do func() payment.Lookup) payment.Lookup {
			if w.since() < 9*time.Second {
				return nothing
			}
			return do()
		}
		a := w.replicaAt("a", g)
		a.queue()
		got := a.pay()
		require.Equal(t, payment.StateFailed, got.State)
		require.Equal(t, 7*time.Second, got.took, "the caller is answered after 1, 2 and 4 s")
		w.sleepUntil(7*time.Second + late + 7*time.Second)
		require.Equal(t, payment.StateSucceeded, w.stored().State)
		require.Contains(t, w.events(), payment.EventEvidence)
		a.log.requireLine(t, "level=ERROR", "evidence", "transaction_id=txn-1")
		require.Equal(t, 2, g.lookUps)
		w.requireOnce()
	})
}

// A repeated request sends the same key while it is not closed, so earlier lookups prove nothing.
func TestRepeatOfFailedPayment_EarlierLookupsNoLongerCount(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		g := w.overlay()
		g.charge = func(int, func() payment.Result) payment.Result { return serverError }
		a := w.replicaAt("a", g)
		a.queue()
		require.Equal(t, payment.StateFailed, a.pay().State) // at 7 s
		w.sleepUntil(60 * time.Second)
		require.Equal(t, payment.StateFailed, a.pay().State) // at 67 s
		first := w.history().Keys[0]
		require.Empty(t, first.Closed)
		require.Equal(t, 67*time.Second, first.Look.DB.Sub(w.began), "the earlier lookup no longer counts")
		w.sleepUntil(67*time.Second + late - time.Second)
		require.Empty(t, w.history().Keys[0].Closed)
		w.sleepUntil(67*time.Second + late + 7*time.Second)
		require.Equal(t, payment.ClosedAbsent, w.history().Keys[0].Closed)
		require.Equal(t, payment.StateFailed, w.stored().State)
		require.Contains(t, w.events(), payment.EventKeyClosed)
		require.Len(t, w.history().Keys, 1)
	})
}

// The answers of an intermediary prove nothing, to charges and to lookups.
func TestAnswersOfIntermediary_StayUnresolved(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		g := w.overlay()
		g.charge = func(_ int, do func() payment.Result) payment.Result { do(); return lostAnswer }
		g.lookUp = func(_ int, do func() payment.Lookup) payment.Lookup {
			if w.since() < 3*time.Hour {
				return noAnswer
			}
			return do()
		}
		a := w.replicaAt("a", g)
		a.queue()
		require.Equal(t, payment.StateUnresolved, a.pay().State)
		w.sleepUntil(3 * time.Hour)
		require.Equal(t, payment.StateUnresolved, w.stored().State)
		w.sleepUntil(4 * time.Hour)
		require.Equal(t, payment.StateSucceeded, w.stored().State)
		w.requireOnce()
	})
}

// forgetsKeys declares that keys live for an hour.
func forgetsKeys(c *payment.Capabilities) { c.KeyLifetime = time.Hour }

// Neither the queue, nor a takeover, nor a request sends a key again that the gateway may have forgotten.
func TestExpiredKey_IsOnlyLookedUp(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"queue", "request"} {
		t.Run(by, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.gateway.Declare(forgetsKeys)
				g := w.overlay()
				g.lookUp = func(int, func() payment.Lookup) payment.Lookup { return nothing } // it has forgotten the key
				crashed := w.replicaAt("crashed", g)
				crashed.fault("Settle", 1, fake.CrashBefore(exit))
				_, got := <-crashed.send()
				require.False(t, got, "the worker crashed during the charge")
				w.sleepUntil(time.Hour)

				a := w.replicaAt("a", g)
				if by == "queue" {
					a.queue()
					w.sleepUntil(3 * time.Hour)
				} else {
					require.Equal(t, payment.StateUnresolved, a.pay().State)
				}
				p := w.stored()
				require.Equal(t, payment.StateUnresolved, p.State)
				require.Equal(t, payment.StateUnresolved, a.pay().State)
				require.Equal(t, payment.ReasonForgotten, w.stored().Reason)
				require.Equal(t, 1, g.charges, "it is not sent again")
				require.Contains(t, w.events(), payment.EventUnsendable)
				require.Equal(t, 1, w.gateway.Charges(order))
			})
		})
	}
}

// After the key's lifetime "nothing found" proves nothing, because lookups forget the key as well.
func TestLookup_NothingFoundAfterKeyLifetime_StaysUnresolved(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.gateway.Declare(forgetsKeys)
		g := w.overlay()
		g.charge = func(_ int, do func() payment.Result) payment.Result { do(); return lostAnswer }
		g.lookUp = func(int, func() payment.Lookup) payment.Lookup {
			if w.since() < 2*time.Hour {
				return noAnswer
			}
			return nothing
		}
		a := w.replicaAt("a", g, slowPolling)
		a.queue()
		require.Equal(t, payment.StateUnresolved, a.pay().State)
		w.sleepUntil(24 * time.Hour)
		require.Equal(t, payment.StateUnresolved, w.stored().State)
		require.Equal(t, payment.ReasonForgotten, w.stored().Reason)
		require.Equal(t, 4, g.charges)
	})
}

// A failed payment gets a new key if the old one is closed and too old to be sent.
func TestExpiredKey_Closed_IsReplaced(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.gateway.Declare(forgetsKeys)
		a := w.replica("a")
		require.Equal(t, payment.StateFailed, a.pay().State)
		old := w.stored().GatewayKey
		w.sleepUntil(2 * time.Hour)
		require.Equal(t, payment.StateSucceeded, a.pay().State)
		require.NotEqual(t, old, w.stored().GatewayKey)
		require.Equal(t, 1, w.gateway.Charges(order))
	}, four(fake.Refuse())...)
}

// otherGateway is a gateway with another identity and the same ledger.
type otherGateway struct{ *overlay }

func (g otherGateway) Capabilities() payment.Capabilities {
	c := g.overlay.Capabilities()
	c.Gateway = "https://elsewhere.example"
	return c
}

// A payment of a gateway that is no longer configured is neither sent nor looked up.
func TestForeignPayment_Waits(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.gateway.ScriptLookUps(fake.NoAnswer)
		a := w.replica("a")
		require.Equal(t, payment.StateUnresolved, a.pay(withMethod("pm_1")).State)

		other := otherGateway{w.overlay()}
		other.lookUp = func(int, func() payment.Lookup) payment.Lookup { return nothing }
		b := w.replicaAt("b", other)
		b.queue()
		w.sleepUntil(time.Hour)
		require.Equal(t, payment.StateUnresolved, b.pay().State)
		require.Equal(t, core.ErrKeyOpen, b.pay(withMethod("pm_2")).err, "it is not accepted with this method")
		require.Zero(t, other.charges)
		require.Zero(t, other.lookUps)

		a.queue()
		w.sleepUntil(2 * time.Hour)
		require.Equal(t, payment.StateSucceeded, w.stored().State)
		require.Equal(t, "txn-1", b.pay().TransactionID, "a success is replayed with any gateway")
		w.requireOnce()
	}, four(fake.LoseAnswer())...)
}

func TestFailedPayment_ClosedKey_ChargesAtConfiguredGateway(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		require.Equal(t, payment.StateFailed, w.replica("a").pay().State)
		b := w.replicaAt("b", otherGateway{w.overlay()})
		require.Equal(t, payment.StateSucceeded, b.pay().State)
		require.Equal(t, payment.GatewayID("https://elsewhere.example"), w.stored().Gateway)
		require.Len(t, w.gateway.Keys(order), 2)
	}, four(fake.Refuse())...)
}

// A late charge may still arrive after the step, because no time has passed.
func TestDatabaseClock_StepsForward_LateChargeIsFound(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		a.queue()
		require.Equal(t, payment.StateUnresolved, a.pay().State)
		w.payments.MoveClock(time.Hour)
		w.sleepUntil(50 * time.Second)
		require.Equal(t, payment.StateUnresolved, w.stored().State)
		w.sleepUntil(20 * time.Minute)
		require.Equal(t, payment.StateSucceeded, w.stored().State)
		w.requireOnce()
	}, append(four(fake.Timeout())[:3], fake.ChargeLate(50*time.Second))...)
}

// The step does not extend the claim of a crashed worker.
func TestDatabaseClock_StepsBack_ClaimOfLostWorkerExpires(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"queue", "request"} {
		t.Run(by, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				crashed := w.replica("crashed")
				crashed.fault("Settle", 1, fake.CrashBefore(exit))
				<-crashed.send()
				w.payments.MoveClock(-24 * time.Hour)
				a := w.replica("a")
				if by == "request" {
					require.Equal(t, "txn-1", a.pay().TransactionID)
					return
				}
				a.queue()
				w.sleepUntil(2 * time.Minute)
				require.Equal(t, payment.StateSucceeded, w.stored().State)
				w.requireOnce()
			})
		})
	}
}

// slowPolling lengthens the poll and heartbeat intervals, for tests that run for days.
func slowPolling(s *core.Settings) {
	s.Poll, s.HeartbeatTimeout = 10*time.Minute, 24*time.Hour
}

// Lookups continue for seven days after a person's decision, and correct it.
func TestResolvedAsFailed_ChargeFoundLater_Succeeds(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		g := w.overlay()
		g.charge = func(_ int, do func() payment.Result) payment.Result { do(); return lostAnswer }
		g.lookUp = func(_ int, do func() payment.Lookup) payment.Lookup {
			if w.since() < 5*24*time.Hour {
				return nothing
			}
			return do()
		}
		a := w.replicaAt("a", g, slowPolling)
		require.Equal(t, payment.StateUnresolved, a.pay().State)
		a.queue()
		require.NoError(t, core.Resolve(t.Context(), w.payments, payment.Resolution{
			OrderID: order, By: "ann", Outcome: payment.Outcome{State: payment.StateFailed, Reason: "not on the statement"},
		}))
		w.sleepUntil(4 * 24 * time.Hour)
		require.Equal(t, payment.StateFailed, w.stored().State)
		w.sleepUntil(6 * 24 * time.Hour)
		require.Equal(t, payment.StateSucceeded, w.stored().State)
		require.Contains(t, w.events(), payment.EventEvidence)
		before := g.lookUps
		w.sleepUntil(9 * 24 * time.Hour)
		require.Equal(t, before, g.lookUps)
		w.requireOnce()
	})
}

func TestResolvedAsFailed_LookupsStopAfterSevenDays(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.gateway.ScriptLookUps(fake.NoAnswer)
		a := w.replica("a", slowPolling)
		a.pay()
		a.queue()
		require.NoError(t, core.Resolve(t.Context(), w.payments, payment.Resolution{
			OrderID: order, By: "ann", Outcome: payment.Outcome{State: payment.StateFailed, Reason: "not on the statement"},
		}))
		w.sleepUntil(7*24*time.Hour + time.Hour)
		lookups := w.gateway.LookUps()
		require.Greater(t, lookups, 600)
		w.sleepUntil(9 * 24 * time.Hour)
		require.Equal(t, lookups, w.gateway.LookUps())
		require.Equal(t, payment.StateFailed, w.stored().State)
	}, four(fake.Timeout())...)
}

// A repetition would get the same answer.
func TestKeyReused_IsLookedUpAndNotRepeated(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		g := w.overlay()
		g.charge = func(_ int, do func() payment.Result) payment.Result {
			do()
			return payment.Result{Class: payment.ClassKeyReused}
		}
		require.Equal(t, "txn-1", w.replicaAt("a", g).pay().TransactionID)
		require.Equal(t, 1, g.charges)
		w.requireOnce()
	})
}

// A charge that the gateway reported as pending is failed only once the key is closed.
func TestPendingCharge_OneLookupWithoutCharge_StaysPending(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		g := w.overlay()
		g.charge = func(int, func() payment.Result) payment.Result { return payment.Result{Class: payment.ClassPending} }
		g.lookUp = func(int, func() payment.Lookup) payment.Lookup { return nothing }
		a := w.replicaAt("a", g)
		a.queue()
		require.Equal(t, payment.StatePending, a.pay().State)
		require.Equal(t, 1, g.charges)
		w.sleepUntil(late - time.Second)
		require.Equal(t, payment.StatePending, w.stored().State)
		w.sleepUntil(5 * time.Minute)
		require.Equal(t, payment.StateFailed, w.stored().State)
		require.Equal(t, payment.ClosedAbsent, w.history().Keys[0].Closed)
	})
}

// If the gateway asks to wait for longer than a caller does, the payment is requeued; the queue
// continues the round, and does not start another one.
func TestLongRetryAfter_IsWaitedForByTheQueue(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		a.queue()
		got := a.pay()
		require.Equal(t, payment.StateScheduled, got.State)
		require.Zero(t, got.took)
		require.Equal(t, 30*time.Second, got.RetryAfter)
		require.Equal(t, payment.StateScheduled, a.pay().State, "it is not due yet")
		w.sleepUntil(5 * time.Minute)
		require.Equal(t, payment.StateFailed, w.stored().State)
		require.Len(t, w.attempts(), 4, "one attempt and three retries")
	}, four(fake.RefuseFor(30*time.Second))...)
}

// Lookups have their own workers: many unresolved payments with slow lookups delay neither accepted
// payments nor takeovers.
func TestSlowLookups_DelayNoCharge(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.quiet = true
		g := w.overlay()
		g.charge = func(n int, do func() payment.Result) payment.Result {
			if n <= 400 {
				return lostAnswer
			}
			return do()
		}
		g.lookUp = func(int, func() payment.Lookup) payment.Lookup {
			time.Sleep(9 * time.Second)
			return noAnswer
		}
		a := w.replicaAt("a", unguarded{g}) // without a breaker, which so many lost answers would open
		for i := range 100 {
			a.start(context.Background(), forOrder(payment.OrderID(fmt.Sprintf("stuck-%d", i))))
		}
		w.sleepUntil(time.Minute)
		crashed := w.replicaAt("crashed", unguarded{g})
		crashed.fault("Settle", 1, fake.CrashBefore(exit))
		<-crashed.send(forOrder("taken-over"))

		a.queue()
		w.sleepUntil(2 * time.Minute)
		require.Equal(t, payment.StateScheduled, a.pay(async).State)
		w.sleepUntil(2*time.Minute + 3*time.Second)
		require.Equal(t, payment.StateSucceeded, w.stored().State)
		taken, err := w.payments.Find(t.Context(), "taken-over")
		require.NoError(t, err)
		require.Equal(t, payment.StateSucceeded, taken.State, "%+v", taken)
	})
}

// A success is a replay for a request that made no attempt, and for one whose success another worker
// has settled first: exactly one answer to an order is not a replay.
func TestSuccessOfAnotherWorker_IsReplayed(t *testing.T) {
	t.Run("only looked up", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.gateway.IgnoreKeys()
			w.gateway.ScriptLookUps(fake.NoAnswer)
			a := w.replica("a")
			require.Equal(t, payment.StateUnresolved, a.pay().State)
			got := a.pay()
			require.Equal(t, payment.StateSucceeded, got.State)
			require.True(t, got.Replayed)
			w.requireOnce()
		}, fake.LoseAnswer())
	})
	t.Run("settled by another worker first", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			a := w.replica("a")
			a.fault("LookUp", 1, func(ctx context.Context, _ fake.Call, do func()) error {
				do()
				_, verdict, err := w.payments.RecordApproval(ctx, payment.Approval{
					OrderID: order, Key: "key-1", Gateway: "fake:", TransactionID: "txn-1", By: "b",
				})
				require.NoError(t, err)
				require.Equal(t, payment.VerdictEvidence, verdict)
				return nil
			})
			got := a.pay()
			require.Equal(t, payment.StateSucceeded, got.State)
			require.True(t, got.Replayed)
			w.requireOnce()
		}, append([]fake.Step{fake.LoseAnswer()}, four(fake.Timeout())...)...)
	})
}
