package payment_test

import (
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"paymentd/core/payment"
)

// What the tests of the decisions begin with: a moment, a lease, and payments that have
// come into each state by the domain's own decisions.

const (
	lease = 30 * time.Second
	late  = time.Minute
)

var noon = time.Date(2026, 9, 17, 12, 0, 0, 0, time.UTC)

func ask(t rapid.TB, key payment.GatewayKey) payment.ClaimRequest {
	return payment.ClaimRequest{
		OrderID: "order-1", Money: amountOf(t, "100.00", "USD"),
		NewKey: key, Replica: "replica-a", Lease: lease, Rules: rules(),
	}
}

func later(t rapid.TB, key payment.GatewayKey) payment.ClaimRequest {
	a := ask(t, key)
	a.Deferred, a.Async = true, true
	return a
}

func amountOf(t rapid.TB, amount, code string) payment.Money {
	t.Helper()
	m, err := payment.ParseMoney(amount, currencyOf(t, code))
	require.NoError(t, err)
	return m
}

// opened is an order that was claimed at noon for the first time, with "key-1".
func opened(t rapid.TB) payment.Payment { return open(ask(t, "key-1"), noon) }

// accepted is an order that was accepted for later at noon.
func accepted(t rapid.TB) payment.Payment { return open(later(t, "key-1"), noon) }

// ended is the end of an attempt, after two seconds.
func ended(r payment.Result) *payment.AttemptEnd {
	return &payment.AttemptEnd{Result: r, Took: 2 * time.Second}
}

func of(class payment.Class) payment.Result {
	return payment.Result{Class: class, Message: "message of the gateway"}
}

// settled ends p's attempt with a class, and p in a state, at a time.
func settled(t rapid.TB, p payment.Payment, class payment.Class, state payment.State, when time.Time) payment.Payment {
	t.Helper()
	s := payment.Settlement{
		ClaimRef: p.ClaimRef(), End: ended(of(class)),
		Outcome: payment.Outcome{State: state, Reason: "reason", DueIn: time.Minute},
	}
	if state == payment.StateSucceeded {
		s.Outcome.TransactionID = "txn-1"
	}
	d, err := apply(s, p, when)
	require.NoError(t, err)
	return d.Payment
}

// renewed ends p's attempt with a class, and plans the next after a second.
func renewed(t rapid.TB, p payment.Payment, class payment.Class, when time.Time) payment.Payment {
	t.Helper()
	r := payment.Renewal{
		ClaimRef: p.ClaimRef(), End: *ended(of(class)), Next: true, Delay: time.Second, Lease: lease,
	}
	d, err := apply(r, p, when)
	require.NoError(t, err)
	return d.Payment
}

// in returns an order that was claimed at noon and is in the state five seconds later,
// when it is not due.
func in(t rapid.TB, state payment.State) payment.Payment {
	t.Helper()
	classes := map[payment.State]payment.Class{
		payment.StateScheduled: payment.ClassNotCharged, payment.StateSucceeded: payment.ClassApproved,
		payment.StateDeclined: payment.ClassDeclined, payment.StateFailed: payment.ClassNotCharged,
		payment.StateUnresolved: payment.ClassUnknownUnanswered,
	}
	if state == payment.StateProcessing {
		return opened(t)
	}
	return settled(t, opened(t), classes[state], state, noon.Add(5*time.Second))
}

// rules are those of a gateway that honours keys for a day, and of lookups that begin after 5 seconds.
func rules() payment.KeyRules {
	return payment.KeyRules{
		Capabilities: payment.Capabilities{
			Gateway: "https://gateway.example", HonoursKeys: true, KeyLifetime: 24 * time.Hour,
			LookupForgets: true, SavesDeclines: true,
		},
		Late: late, Timeout: 10 * time.Second, LookupFirst: 5 * time.Second, LookupMax: 15 * time.Minute,
		MaxLease: lease + 10*time.Second, MaxDelay: 2 * time.Hour, MaxLookup: 3 * time.Hour,
	}
}

// at is a moment at which the database's clock and the worker's agree.
func at(t time.Time) payment.Instant { return payment.Instant{DB: t, Worker: t} }

// lost is the doubt of an attempt that was not answered, and may have been sent until then.
func lost(until time.Time) payment.Doubt {
	return payment.Doubt{Unanswered: at(until), Latest: at(until)}
}

// overDoubt is the doubt of an attempt that was answered then, without an outcome.
func overDoubt(when time.Time) payment.Doubt {
	return payment.Doubt{Answered: true, Latest: at(when)}
}

// open, decide, pickUp and apply let both clocks show the same time.
func open(a payment.ClaimRequest, now time.Time) payment.Payment {
	a.Worker = now
	return a.Open(now)
}

func decide(a payment.ClaimRequest, p payment.Payment, now time.Time) payment.Decision {
	a.Worker = now
	return a.Decide(p, now)
}

func pickUp(on payment.PickUpPolicy, p payment.Payment, now time.Time) payment.Decision {
	on.Worker = now
	return on.PickUp(p, now)
}

func pickUpKey(on payment.PickUpPolicy, p payment.Payment, key payment.GatewayKey, now time.Time) payment.Decision {
	on.Worker = now
	return on.PickUpKey(p, key, now)
}

type change interface {
	Apply(p payment.Payment, now time.Time) (payment.Decision, error)
}

func apply(c change, p payment.Payment, now time.Time) (payment.Decision, error) {
	switch what := c.(type) {
	case payment.Renewal:
		what.Worker = now
		return what.Apply(p, now)
	case payment.Settlement:
		what.Worker = now
		return what.Apply(p, now)
	case payment.Resolution:
		what.Worker = now
		return what.Apply(p, now)
	case payment.Import:
		what.Worker = now
		return what.Apply(p, now)
	case payment.Approval:
		what.Worker = now
		return what.Apply(p, now)
	case payment.LookupRecord:
		what.Worker = now
		return what.Apply(p, now)
	}
	return c.Apply(p, now)
}

// requireUntouched fails where a decision writes, or changes what was read.
func requireUntouched(t rapid.TB, p payment.Payment, d payment.Decision) {
	t.Helper()
	require.False(t, d.Write)
	require.Equal(t, p, d.Payment)
	require.Nil(t, d.PriorAttempt)
	require.Nil(t, d.Event)
}
