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

// overlay is a gateway whose answers are replaced on the way: by something in between, or by the
// gateway's own odd words. The fake behind it keeps the ledger.
type overlay struct {
	ports.Gateway

	charge func(n int, do func() payment.Result) payment.Result
	lookUp func(n int, do func() payment.Lookup) payment.Lookup

	mu               sync.Mutex
	charges, lookUps int
}

// count counts a call, from 1.
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

func (o *overlay) LookUp(ctx context.Context, key payment.GatewayKey) payment.Lookup {
	n := o.count(&o.lookUps)
	do := func() payment.Lookup { return o.Gateway.LookUp(ctx, key) }
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

// The first attempt takes the money and its answer is lost; the decline of the second speaks of the second.
func TestDeclineAfterALostCharge_IsLookedUp(t *testing.T) {
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

// If the lookup finds nothing, the payment is unresolved until the key is closed, and declined then: a
// new key before that could be a second charge.
func TestDeclineAfterAnUnknownAttempt_EndsWhenTheKeyIsClosed(t *testing.T) {
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
		w.sleepUntil(late + time.Second) // the first lookup that counts is not enough
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

// A read side that lags makes a payment failed after one lookup, and the second look finds the charge.
func TestFailedByOneLookup_SucceedsWhenTheSecondFindsTheCharge(t *testing.T) {
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

// A repeat of a failed payment sends the same key while it is not closed, and the proof begins anew.
func TestRepeatOfAFailedPayment_BeginsTheProofAnew(t *testing.T) {
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
		require.Equal(t, 67*time.Second, first.Look.DB.Sub(w.began), "the look before no longer counts")
		w.sleepUntil(67*time.Second + late - time.Second)
		require.Empty(t, w.history().Keys[0].Closed)
		w.sleepUntil(67*time.Second + late + 7*time.Second)
		require.Equal(t, payment.ClosedAbsent, w.history().Keys[0].Closed)
		require.Equal(t, payment.StateFailed, w.stored().State)
		require.Contains(t, w.events(), payment.EventKeyClosed)
		require.Len(t, w.history().Keys, 1)
	})
}

// Answers of something between us and the gateway prove nothing, on charges and on lookups.
func TestUnmarkedAnswers_ProveNothing(t *testing.T) {
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

// A key that the gateway may have forgotten is never sent again: by the queue, by a takeover, by a request.
func TestExpiredKey_IsOnlyLookedUp(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"queue", "request"} {
		t.Run(by, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.gateway.Declare(forgetsKeys)
				g := w.overlay()
				g.lookUp = func(int, func() payment.Lookup) payment.Lookup { return nothing } // it has forgotten
				dead := w.replicaAt("dead", g)
				dead.fault("Settle", 1, fake.CrashBefore(exit))
				_, got := <-dead.send()
				require.False(t, got, "the worker died in flight")
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

// After a day of lookups that failed, "nothing found" is no proof: the lookup forgets with the key.
func TestNothingFoundAfterTheLifetime_IsNoProof(t *testing.T) {
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

// A failed payment whose key is closed and too old to be sent gets a new one.
func TestClosedExpiredKey_IsReplaced(t *testing.T) {
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

// otherGateway is a gateway of another identity over the same ledger.
type otherGateway struct{ *overlay }

func (g otherGateway) Capabilities() payment.Capabilities {
	c := g.overlay.Capabilities()
	c.Gateway = "https://elsewhere.example"
	return c
}

// A payment of a gateway that is not configured any more is neither sent nor looked up: it waits.
func TestPaymentOfAnotherGateway_Waits(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.gateway.ScriptLookUps(fake.NoAnswer)
		a := w.replica("a")
		require.Equal(t, payment.StateUnresolved, a.pay().State)

		other := otherGateway{w.overlay()}
		other.lookUp = func(int, func() payment.Lookup) payment.Lookup { return nothing }
		b := w.replicaAt("b", other)
		b.queue()
		w.sleepUntil(time.Hour)
		require.Equal(t, payment.StateUnresolved, b.pay().State)
		require.Zero(t, other.charges)
		require.Zero(t, other.lookUps)

		a.queue()
		w.sleepUntil(2 * time.Hour)
		require.Equal(t, payment.StateSucceeded, w.stored().State)
		require.Equal(t, "txn-1", b.pay().TransactionID, "a success is replayed whatever the gateway")
		w.requireOnce()
	}, four(fake.LoseAnswer())...)
}

// A closed key may be left for another gateway.
func TestFailedPaymentWithAClosedKey_GoesToTodaysGateway(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		require.Equal(t, payment.StateFailed, w.replica("a").pay().State)
		b := w.replicaAt("b", otherGateway{w.overlay()})
		require.Equal(t, payment.StateSucceeded, b.pay().State)
		require.Equal(t, payment.GatewayID("https://elsewhere.example"), w.stored().Gateway)
		require.Len(t, w.gateway.Keys(order), 2)
	}, four(fake.Refuse())...)
}

// A step of the database's clock forward makes no time pass: a late charge may still arrive.
func TestDatabaseClockStepsForward_LateStillCounts(t *testing.T) {
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

// A step back leaves no claim of a dead worker alive for as long as the step.
func TestDatabaseClockStepsBack_ADeadWorkersClaimExpires(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"queue", "request"} {
		t.Run(by, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				dead := w.replica("dead")
				dead.fault("Settle", 1, fake.CrashBefore(exit))
				<-dead.send()
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

// slowPolling is for tests of many days: the queue polls, and the replica beats, as rarely as it may.
func slowPolling(s *core.Settings) {
	s.Poll, s.HeartbeatTimeout = 10*time.Minute, 24*time.Hour
}

// A person who was wrong is corrected: lookups go on for seven days.
func TestPersonSaysFailed_AChargeFoundLaterCounts(t *testing.T) {
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

// The lookups after a person's word end after seven days.
func TestPersonSaysFailed_LookupsEnd(t *testing.T) {
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

// A key that was used with other parameters is not repeated, which gets the same answer: it is looked up.
func TestKeyUsedWithOtherParameters_IsLookedUp(t *testing.T) {
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

// A charge that the gateway has named as pending ends only when the key is closed.
func TestPendingCharge_IsNotFailedByOneLookup(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		g := w.overlay()
		g.charge = func(int, func() payment.Result) payment.Result { return payment.Result{Class: payment.ClassPending} }
		g.lookUp = func(int, func() payment.Lookup) payment.Lookup { return nothing }
		a := w.replicaAt("a", g)
		a.queue()
		require.Equal(t, payment.StateUnresolved, a.pay().State)
		require.Equal(t, 1, g.charges)
		w.sleepUntil(late - time.Second)
		require.Equal(t, payment.StateUnresolved, w.stored().State)
		w.sleepUntil(5 * time.Minute)
		require.Equal(t, payment.StateFailed, w.stored().State)
		require.Equal(t, payment.ClosedAbsent, w.history().Keys[0].Closed)
	})
}

// A wait that the gateway asks for, and that is longer than a caller waits, is spent in the queue; the
// queue goes on with the round, and does not begin another.
func TestLongRetryAfter_IsSpentInTheQueue(t *testing.T) {
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
		require.Len(t, w.attempts(), 4, "one try and three retries")
	}, four(fake.RefuseFor(30*time.Second))...)
}

// Lookups have workers of their own: thousands of unresolved payments with slow lookups delay neither
// what was accepted nor takeovers.
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
		once := w.replicaAt("a", unguarded{g}) // without a breaker, which so many lost answers would open
		for i := range 100 {
			once.start(context.Background(), forOrder(payment.OrderID(fmt.Sprintf("stuck-%d", i))))
		}
		w.sleepUntil(time.Minute)
		dead := w.replicaAt("dead", unguarded{g})
		dead.fault("Settle", 1, fake.CrashBefore(exit))
		<-dead.send(forOrder("taken-over"))

		once.queue()
		w.sleepUntil(2 * time.Minute)
		require.Equal(t, payment.StateScheduled, once.pay(async).State)
		w.sleepUntil(2*time.Minute + 3*time.Second)
		require.Equal(t, payment.StateSucceeded, w.stored().State)
		taken, err := w.payments.Find(t.Context(), "taken-over")
		require.NoError(t, err)
		require.Equal(t, payment.StateSucceeded, taken.State, "%+v", taken)
	})
}

// A request that made no attempt, or whose success another worker has settled first, is answered with a
// replay: a success that is none is told once.
func TestSuccessOfAnother_IsAReplay(t *testing.T) {
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
	t.Run("settled by another meanwhile", func(t *testing.T) {
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
