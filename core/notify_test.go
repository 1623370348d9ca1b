package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

// event is an event of the world's gateway about the first key of the order.
func event(says payment.LookupResult) core.GatewayEvent {
	return core.GatewayEvent{ID: "evt-1", Kind: "charge." + string(says), Gateway: "fake:", OrderID: order, Key: "key-1", Says: says}
}

// notify sends an event about the first key, and returns what it led to.
func (r *replica) notify(says payment.LookupResult) core.Notified {
	r.world.t.Helper()
	notified, err := r.Notify(r.world.t.Context(), event(says))
	require.NoError(r.world.t, err)
	return notified
}

// A pending payment is settled within a second of its event, also if its next lookup is far away.
func TestNotify_Pending_IsSettledWithinASecond(t *testing.T) {
	for says, tt := range map[payment.LookupResult]struct {
		step fake.Step
		want payment.State
	}{
		payment.FoundApproved: {fake.Approve(), payment.StateSucceeded},
		payment.FoundDeclined: {fake.Decline("card_declined"), payment.StateDeclined},
	} {
		t.Run(string(says), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.replica("a")
				a.queue()
				a.pay()
				w.sleepUntil(2 * time.Hour) // the intervals have grown
				require.True(t, w.gateway.Complete("key-1", tt.step))
				require.Equal(t, core.NotifiedDue, a.notify(says))
				time.Sleep(time.Second)
				require.Equal(t, tt.want, w.stored().State)
				require.Len(t, w.gateway.Attempts(), 1)
			}, fake.Pending())
		})
	}
}

// An event wakes the queue of the replica that takes it. If that one is lost, another replica finds the lookup
// with its next poll.
func TestNotify_ReplicaIsLost_AnotherLooksUp(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.replica("a"), w.replica("b")
		a.queue()
		a.pay()
		w.sleepUntil(2 * time.Hour)
		w.gateway.Complete("key-1", fake.Approve())
		require.Equal(t, core.NotifiedDue, b.notify(payment.FoundApproved))
		time.Sleep(lookupFirst + poll)
		require.Equal(t, payment.StateSucceeded, w.stored().State)
	}, fake.Pending())
}

// An event decides nothing: what the lookup finds counts, not what the event says.
func TestNotify_EventIsNoProof(t *testing.T) {
	for _, says := range []payment.LookupResult{payment.FoundApproved, payment.FoundDeclined, payment.FoundVoided} {
		t.Run(string(says), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.replica("a")
				a.queue()
				a.pay()
				before := w.gateway.LookUps()
				require.Equal(t, core.NotifiedDue, a.notify(says))
				time.Sleep(time.Second)
				require.Equal(t, payment.StatePending, w.stored().State)
				require.Equal(t, before+1, w.gateway.LookUps())
			}, fake.Pending())
		})
	}
}

// Duplicates, in any order, lead to one lookup while it is due, and to none once the outcome is known.
func TestNotify_DuplicatesAndDisorder(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a") // without a queue, so that the lookup stays due
		a.pay()
		w.gateway.Complete("key-1", fake.Approve())
		require.Equal(t, core.NotifiedDue, a.notify(payment.FoundApproved))
		require.Equal(t, core.NotifiedKnown, a.notify(payment.FoundApproved))
		require.Equal(t, core.NotifiedKnown, a.notify(payment.FoundPending), "an older one")
		a.queue()
		time.Sleep(time.Second)
		require.Equal(t, payment.StateSucceeded, w.stored().State)
		lookups, stored := w.gateway.LookUps(), w.stored()
		for _, says := range []payment.LookupResult{payment.FoundApproved, payment.FoundPending, payment.FoundDeclined} {
			require.Equal(t, core.NotifiedKnown, a.notify(says))
		}
		time.Sleep(time.Minute)
		require.Equal(t, lookups, w.gateway.LookUps())
		require.Equal(t, stored.UpdatedAt, w.stored().UpdatedAt)
		w.requireOnce()
	}, fake.Pending())
}

// An event may come before the answer of the call itself. The lookup waits until the claim has ended, and
// nothing is charged twice.
func TestNotify_BeforeTheAnswer_WaitsForTheClaim(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.replica("a"), w.replica("b")
		a.queue()
		b.queue()
		got := a.send()
		time.Sleep(time.Second)
		require.Equal(t, core.NotifiedDue, b.notify(payment.FoundApproved))
		time.Sleep(6 * time.Second) // the call takes 8 s
		require.Equal(t, payment.StateProcessing, w.stored().State)
		require.Zero(t, w.gateway.LookUps(), "a live worker holds the claim")
		require.Equal(t, payment.StateSucceeded, (<-got).State)
		time.Sleep(time.Minute)
		require.Equal(t, payment.StateSucceeded, w.stored().State)
		require.Equal(t, []payment.EventKind(nil), w.events())
		w.requireOnce()
		require.Len(t, w.gateway.Attempts(), 1)
	}, fake.Slow(8*time.Second, fake.Approve()))
}

// If the answer of the call is lost, the event leads to the charge, and the retry repeats the key.
func TestNotify_AnswerLost_ChargedOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		a.queue()
		got := a.send()
		time.Sleep(500 * time.Millisecond) // during the backoff
		require.Equal(t, core.NotifiedDue, a.notify(payment.FoundApproved))
		require.Equal(t, payment.StateSucceeded, (<-got).State)
		time.Sleep(time.Minute)
		w.requireOnce()
		require.Equal(t, payment.StateSucceeded, w.stored().State)
	}, fake.LoseAnswer())
}

// An event of an order that the table does not have is an error in the log, and not for the gateway.
func TestNotify_UnknownOrder_IsLogged(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		require.Equal(t, core.NotifiedUnknownOrder, a.notify(payment.FoundApproved))
		a.log.requireLine(t, "level=ERROR", "unknown charge", "order_id="+string(order), "gateway_key=key-1", "event_id=evt-1", "says=approved")
		_, err := w.payments.History(t.Context(), order)
		require.ErrorIs(t, err, ports.ErrNotFound)
	})
}

// An event that contradicts a closed key leads to a lookup, whose charge becomes evidence: the payment
// succeeds with it, unless it has succeeded with another transaction.
func TestNotify_ContradictsAClosedKey(t *testing.T) {
	t.Run("evidence", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			a := w.replica("a")
			a.queue()
			a.pay()
			w.sleepUntil(10 * time.Minute) // two lookups have closed the key
			require.Equal(t, payment.StateFailed, w.stored().State)
			require.Equal(t, payment.ClosedAbsent, closureOf(w, "key-1"))
			lookups := w.gateway.LookUps()
			w.sleepUntil(time.Hour)
			require.Equal(t, lookups, w.gateway.LookUps())
			w.gateway.Charge(t.Context(), payment.Charge{Key: "key-1", OrderID: order, Money: money("100.00", "USD")})
			require.Equal(t, core.NotifiedDue, a.notify(payment.FoundApproved))
			time.Sleep(time.Second)
			require.Equal(t, payment.StateSucceeded, w.stored().State)
			require.Contains(t, w.events(), payment.EventEvidence)
			a.log.requireLine(t, "level=ERROR", "evidence")
			require.Equal(t, 1, w.gateway.Charges(order))
		}, four(fake.Timeout())...)
	})
	t.Run("double", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			a := w.replica("a")
			a.queue()
			require.Equal(t, payment.StateDeclined, a.pay().State)
			require.Equal(t, payment.StateSucceeded, a.pay().State)
			stored := w.stored()
			w.gateway.Charge(t.Context(), payment.Charge{Key: "key-1", OrderID: order, Money: money("100.00", "USD")})
			require.Equal(t, core.NotifiedDue, a.notify(payment.FoundApproved))
			time.Sleep(time.Second)
			require.Equal(t, stored.TransactionID, w.stored().TransactionID, "the payment is unchanged")
			require.Contains(t, w.events(), payment.EventDouble)
			a.log.requireLine(t, "level=ERROR", "double charge")
			a.log.requireLine(t, "double charge", "paymentd refund 'order-123' --transaction='"+w.gateway.Taken()[1].TransactionID+"' --key='key-1' --reason='charged twice'")
		}, fake.DeclineAttempt("card_declined"))
	})
}

// A lookup after an event that finds nothing changes nothing. The key was replaced after a decline, and only the
// attempts have it.
func TestNotify_LookupFindsNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		a.queue()
		require.Equal(t, payment.StateDeclined, a.pay().State)
		require.Equal(t, payment.StateSucceeded, a.pay().State)
		before := w.stored()
		require.Equal(t, core.NotifiedDue, a.notify(payment.FoundApproved))
		time.Sleep(10 * time.Minute)
		p := w.stored()
		require.Equal(t, payment.StateSucceeded, p.State)
		require.Equal(t, before.TransactionID, p.TransactionID)
		require.Equal(t, payment.ClosedAbsent, closureOf(w, "key-1"), "two lookups have found nothing")
		lookups := w.gateway.LookUps()
		time.Sleep(24 * time.Hour)
		require.Equal(t, lookups, w.gateway.LookUps(), "the lookups end")
	}, fake.DeclineAttempt("card_declined"))
}

// An event that names another order's key is reported, and that order's charge is not taken for this one's.
func TestNotify_KeyOfAnotherOrder_IsReported(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		a.queue()
		require.Equal(t, payment.StateSucceeded, a.pay(forOrder("order-paid")).State)
		require.Equal(t, payment.StateDeclined, a.pay().State)
		require.Equal(t, core.NotifiedUnknownKey, a.notify(payment.FoundApproved))
		a.log.requireLine(t, "level=ERROR", "unknown charge", "order_id="+string(order), "gateway_key=key-1")
		time.Sleep(time.Minute)
		require.Equal(t, payment.StateDeclined, w.stored().State)
		require.Zero(t, w.gateway.LookUps())
	}, fake.Approve(), fake.Decline("card_declined"))
}

// The lookups after an event that contradicts a closed key go on until the gateway answers, however long that
// takes, because the gateway does not send an event again that was accepted.
func TestNotify_ClosedKey_SurvivesLookupsWithoutAnswer(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		a.queue()
		require.Equal(t, payment.StateFailed, a.pay(withMethod("pm_1")).State)
		w.sleepUntil(3 * late)
		require.Equal(t, payment.StateSucceeded, a.pay(withMethod("pm_2")).State)
		require.Equal(t, payment.ClosedAbsent, closureOf(w, "key-1"))
		w.gateway.Charge(t.Context(), payment.Charge{Key: "key-1", OrderID: order, Money: money("100.00", "USD")})
		w.gateway.OnLookUp(func(payment.GatewayKey) fake.Answer { return fake.NoAnswer })
		require.Equal(t, core.NotifiedDue, a.notify(payment.FoundApproved))
		time.Sleep(time.Hour)
		require.NotContains(t, w.events(), payment.EventDouble)
		w.gateway.OnLookUp(func(payment.GatewayKey) fake.Answer { return fake.FromLedger })
		time.Sleep(lookupMax + time.Minute)
		require.Contains(t, w.events(), payment.EventDouble)
		a.log.requireLine(t, "level=ERROR", "double charge")
	}, four(fake.Unavailable())...)
}

// While the database is away, the gateway is asked to send the event again.
func TestNotify_DatabaseAway_IsAnError(t *testing.T) {
	for name, tt := range map[string]struct {
		fault fake.Fault
		want  error
	}{
		"before": {fake.FailBefore, ports.ErrUnavailable}, "after": {fake.FailAfter, ports.ErrInDoubt},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.replica("a")
				a.queue()
				a.pay()
				w.gateway.Complete("key-1", fake.Approve())
				a.fault("Notify", 1, tt.fault)
				_, err := a.Notify(t.Context(), event(payment.FoundApproved))
				require.ErrorIs(t, err, tt.want)
				a.notify(payment.FoundApproved)
				time.Sleep(time.Second)
				require.Equal(t, payment.StateSucceeded, w.stored().State)
			}, fake.Pending())
		})
	}
}

// closureOf returns why a key of the order is closed.
func closureOf(w *world, key payment.GatewayKey) payment.Closure {
	w.t.Helper()
	for _, k := range w.stored().Keys {
		if k.Key == key {
			return k.Closed
		}
	}
	return ""
}
