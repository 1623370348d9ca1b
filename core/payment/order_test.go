package payment_test

import (
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"paymentd/core/payment"
)

// What the tests of the decisions begin with: a moment, a lease, and payments that have
// come into each state by the domain's own decisions.

const lease = 30 * time.Second

var noon = time.Date(2026, 9, 17, 12, 0, 0, 0, time.UTC)

func ask(t rapid.TB, key payment.GatewayKey) payment.Ask {
	return payment.Ask{
		OrderID: "order-1", Money: amountOf(t, "100.00", "USD"),
		NewKey: key, Replica: "replica-a", Lease: lease,
	}
}

func later(t rapid.TB, key payment.GatewayKey) payment.Ask {
	a := ask(t, key)
	a.Later, a.Async = true, true
	return a
}

func amountOf(t rapid.TB, amount, code string) payment.Money {
	t.Helper()
	m, err := payment.ParseMoney(amount, currencyOf(t, code))
	require.NoError(t, err)
	return m
}

// opened is an order that was claimed at noon for the first time, with "key-1".
func opened(t rapid.TB) payment.Payment { return ask(t, "key-1").Open(noon) }

// accepted is an order that was accepted for later at noon.
func accepted(t rapid.TB) payment.Payment { return later(t, "key-1").Open(noon) }

// ended is the end of an attempt, after two seconds.
func ended(r payment.Result) *payment.AttemptEnd {
	return &payment.AttemptEnd{Result: r, Took: 2 * time.Second}
}

func of(class payment.Class) payment.Result {
	return payment.Result{Class: class, Message: "message of the gateway"}
}

// settled ends p's attempt with a class, and p in a state, at a time.
func settled(t rapid.TB, p payment.Payment, class payment.Class, state payment.State, at time.Time) payment.Payment {
	t.Helper()
	s := payment.Settlement{
		Hold: p.Hold(), End: ended(of(class)),
		Outcome: payment.Outcome{State: state, Reason: "reason", DueIn: time.Minute},
	}
	if state == payment.StateSucceeded {
		s.Outcome.TransactionID = "txn-1"
	}
	d, err := s.Apply(p, at)
	require.NoError(t, err)
	return d.Payment
}

// renewed ends p's attempt with a class, and plans the next after a second.
func renewed(t rapid.TB, p payment.Payment, class payment.Class, at time.Time) payment.Payment {
	t.Helper()
	r := payment.Renewal{
		Hold: p.Hold(), End: *ended(of(class)), Next: true, Delay: time.Second, Lease: lease,
	}
	d, err := r.Apply(p, at)
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

// requireUntouched fails where a decision writes, or changes what was read.
func requireUntouched(t rapid.TB, p payment.Payment, d payment.Decision) {
	t.Helper()
	require.False(t, d.Write)
	require.Equal(t, p, d.Payment)
	require.Nil(t, d.Past)
	require.Nil(t, d.Event)
}
