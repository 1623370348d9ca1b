package portstest

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

// Payments checks that a repository keeps the contract of ports.Payments. open returns an
// empty one each time, and undoes with t.Cleanup what it did for it.
func Payments(t *testing.T, open func(t testing.TB) ports.Payments) {
	t.Helper()
	contract := slices.Concat(
		claims(), claimRaces(), renewals(), settlements(), ends(), imports(), archives(),
		queue(), evidence(), replicas(), leaving(), reads(), models(),
	)
	for _, c := range contract {
		t.Run(c.says, func(t *testing.T) {
			t.Parallel()
			c.holds(&repository{Payments: open(t), t: t})
		})
	}
}

// clause is a sentence of the contract, and how to see that it is true.
type clause struct {
	says  string
	holds func(r *repository)
}

// repository is the one under test, with what the clauses do to it again and again. The
// helpers fail the test where a call does not do what the contract says of it.
type repository struct {
	ports.Payments

	t    *testing.T
	keys atomic.Int64
}

const (
	// live is a lease that does not run out during a test, and dead one that has run out
	// as soon as it is given.
	live = time.Hour
	dead = 0

	// patience bounds the waiting for what a database does in its own time.
	patience = 20 * time.Second
	// glance is how long to wait before looking again.
	glance = 5 * time.Millisecond
)

// ask returns a request for a claim, of 100.00 USD and with a live lease.
func (r *repository) ask(id payment.OrderID) payment.ClaimRequest {
	return payment.ClaimRequest{
		OrderID: id, Money: money(r.t, "100.00", "USD"),
		NewKey:  payment.GatewayKey(fmt.Sprintf("key-%d", r.keys.Add(1))),
		Replica: "replica-a", Lease: live, Rules: rules(), Worker: plainTime(time.Now()),
	}
}

// rules are those of a gateway that honours keys for a day.
func rules() payment.KeyRules {
	return payment.KeyRules{
		Capabilities: payment.Capabilities{
			Gateway: "https://gateway.example", HonoursKeys: true, KeyLifetime: 24 * time.Hour,
			LookupForgets: true, SavesDeclines: true,
		},
		Late: time.Minute, Timeout: time.Second, LookupFirst: time.Minute, LookupMax: 15 * time.Minute,
		MaxLease: 2 * live, MaxDelay: 3 * live, MaxLookup: 3 * live,
	}
}

// later returns a request that asks only that the payment be accepted.
func (r *repository) later(id payment.OrderID) payment.ClaimRequest {
	a := r.ask(id)
	a.Deferred, a.Async = true, true
	return a
}

// claim makes a request, and wants the verdict.
func (r *repository) claim(a payment.ClaimRequest, want payment.Verdict) payment.Payment {
	r.t.Helper()
	p, verdict, err := r.Claim(r.t.Context(), a)
	require.NoError(r.t, err)
	require.Equal(r.t, want, verdict)
	return p
}

// works are all kinds of due work.
func works() []payment.Work {
	return []payment.Work{payment.WorkCharges, payment.WorkTakeovers, payment.WorkLookups}
}

// terms are the queue's.
func (r *repository) terms(work payment.Work) payment.PickUpPolicy {
	return payment.PickUpPolicy{
		Work: work, Replica: "replica-q", Lease: live, Rules: rules(), Worker: plainTime(time.Now()),
		NewKey: func() payment.GatewayKey { return payment.GatewayKey(fmt.Sprintf("key-%d", r.keys.Add(1))) },
	}
}

// pickUp takes at most limit payments that are due, of one kind of work.
func (r *repository) pickUp(terms payment.PickUpPolicy, limit int) []payment.Decision {
	r.t.Helper()
	due, err := r.ClaimDue(r.t.Context(), terms, limit)
	require.NoError(r.t, err)
	return due
}

// pickUpAll takes at most limit payments that are due, of each kind of work.
func (r *repository) pickUpAll(limit int) (due []payment.Decision) {
	r.t.Helper()
	for _, work := range works() {
		due = append(due, r.pickUp(r.terms(work), limit)...)
	}
	return due
}

// nextDue is the next due time of any kind of work.
func (r *repository) nextDue() (in time.Duration, found bool) {
	r.t.Helper()
	for _, work := range works() {
		left, some, err := r.NextDue(r.t.Context(), r.terms(work))
		require.NoError(r.t, err)
		if some && (!found || left < in) {
			in, found = left, true
		}
	}
	return in, found
}

func (r *repository) renew(rn payment.Renewal) {
	r.t.Helper()
	require.NoError(r.t, r.Renew(r.t.Context(), rn))
}

// settle ends p's attempt with the result, and the payment with the outcome.
func (r *repository) settle(p payment.Payment, result payment.Result, o payment.Outcome) payment.Payment {
	r.t.Helper()
	require.NoError(r.t, r.Settle(r.t.Context(), settlement(p, result, o)))
	return r.find(p.OrderID)
}

func (r *repository) find(id payment.OrderID) payment.Payment {
	r.t.Helper()
	p, err := r.Find(r.t.Context(), id)
	require.NoError(r.t, err)
	return p
}

// history reads all that is stored of an order, in times that compare.
func (r *repository) history(id payment.OrderID) ports.History {
	r.t.Helper()
	h, err := r.History(r.t.Context(), id)
	require.NoError(r.t, err)
	return plainHistory(h)
}

// in brings a new order into a state, with one attempt behind it unless it is scheduled.
func (r *repository) in(state payment.State, id payment.OrderID) payment.Payment {
	r.t.Helper()
	if state == payment.StateScheduled {
		return r.claim(r.later(id), payment.VerdictAccepted)
	}
	p := r.claim(r.ask(id), payment.VerdictClaimed)
	if state != payment.StateProcessing {
		p = r.settle(p, resultFor(state), outcomeFor(state))
	}
	return p
}

// settlement is what ends p's attempt with the result, and p with the outcome.
func settlement(p payment.Payment, result payment.Result, o payment.Outcome) payment.Settlement {
	return payment.Settlement{ClaimRef: p.ClaimRef(), End: end(result), Outcome: o, Worker: plainTime(time.Now())}
}

// end is a result that took a quarter of a second.
func end(r payment.Result) *payment.AttemptEnd {
	return &payment.AttemptEnd{Result: r, Took: 250 * time.Millisecond}
}

// resultFor is an attempt that leads to the state.
func resultFor(state payment.State) payment.Result {
	switch state {
	case payment.StateSucceeded:
		return payment.Result{Class: payment.ClassApproved, TransactionID: "txn-1"}
	case payment.StateDeclined:
		return payment.Result{Class: payment.ClassDeclined, Code: "card_declined", Message: "no"}
	case payment.StateUnresolved:
		return payment.Result{Class: payment.ClassUnknownUnanswered, Message: "no answer"}
	default:
		return payment.Result{Class: payment.ClassNotCharged, Message: "connection refused"}
	}
}

// outcomeFor settles to the state; what is not known then is due at once.
func outcomeFor(state payment.State) payment.Outcome {
	switch state {
	case payment.StateSucceeded:
		return payment.Outcome{State: state, TransactionID: "txn-1"}
	case payment.StateDeclined:
		return payment.Outcome{State: state, Code: "card_declined", Reason: "no"}
	case payment.StateFailed:
		return payment.Outcome{State: state, Code: payment.CodeRetriesExhausted, Reason: "refused"}
	default:
		return payment.Outcome{State: state, Reason: "nobody knows"}
	}
}

// money returns an exact amount.
func money(t testing.TB, amount, currency string) payment.Money {
	t.Helper()
	c, err := payment.ParseCurrency(currency)
	require.NoError(t, err)
	m, err := payment.ParseMoney(amount, c)
	require.NoError(t, err)
	return m
}
