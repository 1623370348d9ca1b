package core_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

// twoGateways are gateways of a world, tried in the order first, second.
type twoGateways struct {
	first, second *fake.Gateway
	both          []ports.Gateway
}

func newTwoGateways(first, second []fake.Step) twoGateways {
	g := twoGateways{first: fake.NewGateway(first...), second: fake.NewGateway(second...)}
	g.first.Declare(func(c *payment.Capabilities) { c.Gateway = "first" })
	g.second.Declare(func(c *payment.Capabilities) { c.Gateway = "second" })
	g.both = []ports.Gateway{g.first, g.second}
	return g
}

// attempts counts the attempts at each gateway.
func (g twoGateways) attempts() [2]int {
	return [2]int{len(g.first.Attempts()), len(g.second.Attempts())}
}

// charges counts how often money was taken at each gateway.
func (g twoGateways) charges() [2]int {
	return [2]int{g.first.Charges(order), g.second.Charges(order)}
}

// steps repeats a step.
func steps(n int, s fake.Step) (all []fake.Step) {
	for range n {
		all = append(all, s)
	}
	return all
}

// The next gateway is tried only if the first provably did not charge, and neither declined nor rejected.
func TestFailover_ByResult(t *testing.T) {
	for name, test := range map[string]struct {
		first    []fake.Step
		attempts [2]int
		took     time.Duration
		state    payment.State
		gateway  payment.GatewayID
	}{
		"nothing could be sent":          {steps(1, fake.Refuse()), [2]int{1, 1}, 0, payment.StateSucceeded, "second"},
		"not charged, after the retries": {steps(4, fake.NotChargedAnswer()), [2]int{4, 1}, 7 * time.Second, payment.StateSucceeded, "second"},
		"nothing sent after an unknown one": {
			[]fake.Step{fake.Unavailable(), fake.Refuse(), fake.Refuse(), fake.Refuse()},
			[2]int{4, 0},
			7 * time.Second, payment.StateFailed, "first",
		},
		"unanswered": {steps(4, fake.Timeout()), [2]int{4, 0}, 7 * time.Second, payment.StateUnresolved, "first"},
		"declined":   {steps(1, fake.Decline("card_declined")), [2]int{1, 0}, 0, payment.StateDeclined, "first"},
		"rejected":   {steps(1, fake.Reject()), [2]int{1, 0}, 0, payment.StateFailed, "first"},
		"pending":    {steps(1, fake.Pending()), [2]int{1, 0}, 0, payment.StatePending, "first"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				g := newTwoGateways(test.first, nil)
				got := w.replicaOver("a", g.both).pay()
				require.NoError(t, got.err)
				require.Equal(t, test.state, got.State, got.Reason)
				require.Equal(t, test.took, got.took)
				require.Equal(t, test.attempts, g.attempts())
				require.Equal(t, test.gateway, w.stored().Gateway)
			})
		})
	}
}

// The move to the next gateway is recorded: each gateway has a key of its own, and the key that the payment
// left is closed.
func TestFailover_IsRecorded(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		g := newTwoGateways(steps(1, fake.Refuse()), nil)
		a := w.replicaOver("a", g.both)
		require.Equal(t, payment.StateSucceeded, a.pay().State)
		h := w.history()
		require.Equal(t, payment.GatewayKey("key-2"), h.Payment.GatewayKey)
		require.Len(t, h.Attempts, 2)
		require.Equal(t, payment.GatewayKey("key-1"), h.Attempts[0].GatewayKey)
		require.Equal(t, payment.GatewayKey("key-2"), h.Attempts[1].GatewayKey)
		require.Equal(t, []payment.EventKind{payment.EventFailedOver}, w.events())
		require.Contains(t, h.Events[0].Detail, "from first to second")
		require.Len(t, h.Keys, 1)
		require.Equal(t, payment.ClosedNotCharged, h.Keys[0].Closed)
		require.Equal(t, payment.GatewayID("first"), h.Keys[0].Gateway)
		a.log.requireLine(t, "payment goes to the next gateway", "from=first", "to=second")
	})
}

// If no gateway charges, the payment fails, and a new request uses each gateway's key again.
func TestFailover_BackAtAGateway_UsesItsKey(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		g := newTwoGateways(steps(2, fake.Refuse()), steps(5, fake.NotChargedAnswer()))
		a := w.replicaOver("a", g.both)
		require.Equal(t, payment.StateFailed, a.pay().State)
		require.Equal(t, [2]int{1, 4}, g.attempts())
		time.Sleep(time.Minute)
		require.Equal(t, payment.StateSucceeded, a.pay().State)
		require.Equal(t, [2]int{2, 6}, g.attempts())
		require.Equal(t, []payment.GatewayKey{"key-1"}, g.first.Keys(order))
		require.Equal(t, []payment.GatewayKey{"key-2"}, g.second.Keys(order))
		require.Equal(t, [2]int{0, 1}, g.charges())
	})
}

// After a decline, no earlier key is used again, at any gateway.
func TestFailover_AfterADecline_AllKeysAreNew(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		g := newTwoGateways(steps(2, fake.Refuse()), steps(1, fake.Decline("card_declined")))
		a := w.replicaOver("a", g.both)
		require.Equal(t, payment.StateDeclined, a.pay().State)
		require.Equal(t, payment.StateSucceeded, a.pay().State)
		require.Equal(t, []payment.GatewayKey{"key-1", "key-3"}, g.first.Keys(order))
		require.Equal(t, []payment.GatewayKey{"key-2", "key-4"}, g.second.Keys(order))
		require.Equal(t, [2]int{0, 1}, g.charges())
	})
}

// The same if the queue makes the next round: the decline is recorded.
func TestFailover_AsyncAfterADecline_RecordsTheDecline(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		g := newTwoGateways(steps(2, fake.Refuse()), steps(1, fake.Decline("card_declined")))
		a := w.replicaOver("a", g.both)
		require.Equal(t, payment.StateDeclined, a.pay().State)
		a.pay(async)
		closed := make(map[payment.GatewayKey]payment.Closure)
		for _, k := range w.history().Keys {
			closed[k.Key] = k.Closed
		}
		require.Equal(t, map[payment.GatewayKey]payment.Closure{
			"key-1": payment.ClosedNotCharged, "key-2": payment.ClosedDeclined,
		}, closed)
		a.queue()
		w.sleepUntil(time.Minute)
		require.Equal(t, payment.StateSucceeded, w.stored().State)
		require.Len(t, g.first.Keys(order), 2)
		require.Equal(t, [2]int{0, 1}, g.charges())
	})
}

// The same for a request that the queue charges: the gateway that it goes to next gets a new key as well.
func TestFailover_AsyncAfterADecline_AllKeysAreNew(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		g := newTwoGateways([]fake.Step{fake.Refuse(), fake.Decline("card_declined"), fake.Refuse()}, steps(4, fake.NotChargedAnswer()))
		a := w.replicaOver("a", g.both)
		a.queue()
		require.Equal(t, payment.StateFailed, a.pay().State)
		require.Equal(t, payment.StateDeclined, a.pay().State)
		require.Equal(t, payment.StateScheduled, a.pay(async).State)
		time.Sleep(time.Minute)
		require.Equal(t, payment.StateSucceeded, w.stored().State)
		require.Len(t, g.first.Keys(order), 2)
		require.Len(t, g.second.Keys(order), 2, "the key from before the decline is not used again")
	})
}

// A worker that is lost right after the move is replaced by one that continues at the second gateway with
// the same key.
func TestFailover_WorkerLostAfterIt_ContinuesThere(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		g := newTwoGateways(steps(1, fake.Refuse()), nil)
		a := w.replicaOver("a", g.both)
		a.fault("Renew", 1, fake.CrashAfter(exit))
		a.send()
		w.replicaOver("b", g.both).queue()
		w.sleepUntil(2 * lease)
		require.Equal(t, payment.StateSucceeded, w.stored().State)
		require.Equal(t, []payment.GatewayKey{"key-2"}, g.second.Keys(order))
		require.Equal(t, [2]int{0, 1}, g.charges())
		require.Len(t, g.first.Attempts(), 1)
	})
}

// The database decides which key the next gateway gets. Its clock steps past the lifetime of the order's
// earlier key there while the first gateway answers, so that a new key is stored; the earlier one must not be
// sent, because the worker that takes over would send the other.
func TestFailover_ClockSteps_SendsTheStoredKey(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		g := newTwoGateways(append(steps(1, fake.Refuse()), fake.Slow(5*time.Second, fake.Refuse())),
			append(steps(4, fake.NotChargedAnswer()), fake.LoseAnswer()))
		for _, gateway := range []*fake.Gateway{g.first, g.second} {
			gateway.ForgetAfter(24 * time.Hour)
		}
		a := w.replicaOver("a", g.both)
		require.Equal(t, payment.StateFailed, a.pay().State)
		time.Sleep(time.Hour)
		a.fault("Charge", 2, fake.CrashAfter(exit))
		a.send()
		time.Sleep(time.Second)
		w.payments.MoveClock(48 * time.Hour)
		time.Sleep(6 * time.Second)
		attempts := g.second.Attempts()
		require.Len(t, attempts, 5)
		require.Equal(t, w.stored().GatewayKey, attempts[4].Key)
		w.replicaOver("b", g.both).queue()
		time.Sleep(2 * lease)
		require.Equal(t, payment.StateSucceeded, w.stored().State)
		require.Equal(t, [2]int{0, 1}, g.charges())
	})
}

// The queue continues a round at the gateway where it was interrupted, so that the round's retries are
// counted and end.
func TestFailover_RoundOfTheQueue_StaysAtItsGateway(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		g := newTwoGateways(steps(100, fake.Refuse()), steps(100, fake.RefuseFor(40*time.Second)))
		a := w.replicaOver("a", g.both)
		a.queue()
		require.Equal(t, payment.StateScheduled, a.pay().State)
		w.sleepUntil(10 * time.Minute)
		require.Equal(t, payment.StateFailed, w.stored().State)
		require.Equal(t, [2]int{1, 4}, g.attempts())
	})
}

// While a breaker is open, new payments go to the next gateway without an attempt, and once every breaker
// is open they are refused before anything is stored.
func TestFailover_BreakerOpen(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		g := newTwoGateways(steps(500, fake.Refuse()), nil)
		a := w.replicaOver("a", g.both)
		for n := range 100 {
			require.Equal(t, payment.StateSucceeded, a.pay(forOrder(payment.OrderID(fmt.Sprintf("o-%d", n)))).State)
		}
		before := len(g.first.Attempts())
		require.Equal(t, payment.StateSucceeded, a.pay().State)
		require.Len(t, g.first.Attempts(), before, "the breaker is open")
		require.Empty(t, w.events(), "it was claimed for the second gateway")
		require.Equal(t, payment.GatewayID("second"), w.stored().Gateway)
	})
}

func TestFailover_EveryBreakerOpen_RefusesBeforeTheClaim(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		g := newTwoGateways(steps(500, fake.Refuse()), steps(2000, fake.Refuse()))
		a := w.replicaOver("a", g.both)
		var away *core.GatewaysUnavailableError
		for n := range 200 {
			got := a.send(forOrder(payment.OrderID(fmt.Sprintf("o-%d", n))))
			select {
			case r := <-got:
				require.ErrorAs(t, r.err, &away)
			default: // it was claimed before the breakers opened, and retries
			}
		}
		require.NotNil(t, away)
		require.Positive(t, away.RetryAfter)
		require.ErrorAs(t, a.pay().err, &away)
		_, err := w.payments.Find(t.Context(), order)
		require.ErrorIs(t, err, ports.ErrNotFound)
		require.Equal(t, payment.StateScheduled, a.pay(async).State, "the queue waits for a gateway")
		w.sleepUntil(time.Minute)
	})
}

func TestPaymentMethod_RequiredByTheGateway(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.gateway.Declare(func(c *payment.Capabilities) { c.NeedsMethod = true })
		a := w.replica("a")
		var refused *payment.FieldError
		require.ErrorAs(t, a.pay().err, &refused)
		require.Equal(t, "payment_method", refused.Field)
		require.Equal(t, payment.StateDeclined, a.pay(withMethod("pm_1")).State)
		require.Equal(t, payment.StateSucceeded, a.pay().State, "a repeat may leave it out")
		require.Equal(t, payment.PaymentMethod("pm_1"), w.gateway.Attempts()[1].Method)
		require.True(t, a.pay(withMethod("pm_2")).Replayed)
	}, fake.Decline("card_declined"))
}

// Another payment method gets a key of its own once the earlier key is closed.
func TestPaymentMethod_Changed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		a.queue()
		require.Equal(t, payment.StateFailed, a.pay(withMethod("pm_1")).State)
		require.Equal(t, core.ErrKeyOpen, a.pay(withMethod("pm_2")).err, "one lookup has not closed the key")
		w.sleepUntil(3 * late)
		require.Equal(t, payment.StateSucceeded, a.pay(withMethod("pm_2")).State)
		require.Equal(t, []payment.GatewayKey{"key-1", "key-3"}, w.gateway.Keys(order))
		require.Equal(t, 1, w.gateway.Charges(order))
	}, four(fake.Unavailable())...)
}

// Concurrent requests with another payment method do not get the decline of the first one's.
func TestPaymentMethod_ConcurrentWithAnother_ChargesItsOwn(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		first := a.send(withMethod("pm_1"))
		second := a.send(withMethod("pm_2"))
		require.Equal(t, payment.StateDeclined, (<-first).State)
		require.Equal(t, payment.StateSucceeded, (<-second).State)
		require.Equal(t, payment.PaymentMethod("pm_2"), w.stored().Method)
		require.Equal(t, 1, w.gateway.Charges(order))
	}, fake.Slow(time.Second, fake.Decline("card_declined")))
}

// A payment method that no gateway of the route accepts is refused before the pending charge of another one is
// cancelled, and is never sent.
func TestPaymentMethod_NotAccepted_ChangesNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.gateway.Declare(func(c *payment.Capabilities) { c.Gateway = "only" })
		a := w.start("a", func(r *replica) core.Gateways {
			guard, retry := r.guard(w.gateway)
			pattern, err := payment.ParseMethodPattern("pm_*")
			require.NoError(t, err)
			routes := payment.RouteTo(payment.RouteGateway{ID: "only", Methods: []payment.MethodPattern{pattern}})
			return core.NewGateways([]core.Gateway{{Gateway: guard, Retry: retry}}, routes)
		})
		require.Equal(t, payment.StatePending, a.pay(withMethod("pm_1")).State)
		time.Sleep(2 * time.Second)
		var refused *payment.FieldError
		require.ErrorAs(t, a.pay(withMethod("card_1")).err, &refused)
		require.Equal(t, "payment_method", refused.Field)
		require.Zero(t, a.calls("Cancel"))
		require.True(t, w.gateway.Complete("key-1", fake.Approve()))
		require.Equal(t, payment.StateSucceeded, a.pay().State)
		require.True(t, a.pay(withMethod("card_1")).Replayed, "whatever the payment method")
		require.Len(t, w.gateway.Attempts(), 1)
	}, fake.Redirect(redirectURL))
}

func withMethod(m payment.PaymentMethod) func(*core.Request) {
	return func(r *core.Request) { r.Method = m }
}
