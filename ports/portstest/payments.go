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

// Payments checks that a repository keeps the contract of ports.Payments. open returns a new, empty
// repository, and registers its removal with t.Cleanup.
func Payments(t *testing.T, open func(t testing.TB) ports.Payments) {
	t.Helper()
	contract := slices.Concat(
		claims(), claimRaces(), renewals(), settlements(), resolutions(), imports(), importOperations(), archives(),
		queue(), evidenceClauses(), replicas(), leaving(), reads(), models(),
		refunds(), refundReleases(), refundRaces(), operations(), operationQueue(),
		secondCharges(), holds(), holdEvidence(), captures(), captureReleases(), holdRaces(),
	)
	for _, c := range contract {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.check(&repository{Payments: open(t), t: t})
		})
	}
}

// clause is one statement of the contract and its check.
type clause struct {
	name  string
	check func(r *repository)
}

// repository is the repository under test, with helpers for the clauses. A helper fails the test if a call
// breaks the contract.
type repository struct {
	ports.Payments
	// other is a second handle on the same repository; nil if there is none.
	other ports.Payments

	t    *testing.T
	keys atomic.Int64
}

const (
	// liveLease does not expire during a test, and expiredLease has expired when it is granted.
	liveLease    = time.Hour
	expiredLease = 0

	// waitLimit bounds how long a test waits for a database.
	waitLimit = 20 * time.Second
	// pollInterval is how long a test waits between two checks.
	pollInterval = 5 * time.Millisecond
)

// claimRequest returns a request for a claim, of 100.00 USD and with a live lease.
func (r *repository) claimRequest(id payment.OrderID) payment.ClaimRequest {
	return payment.ClaimRequest{
		OrderID: id, Money: money(r.t, "100.00", "USD"),
		NewKey:  payment.GatewayKey(fmt.Sprintf("key-%d", r.keys.Add(1))),
		Replica: "replica-a", Lease: liveLease, Rules: rules(), Worker: plainTime(time.Now()),
	}
}

// rules are those of a gateway that honours keys for a day.
func rules() payment.KeyRules {
	return payment.KeyRules{
		Capabilities: payment.Capabilities{
			Gateway: "https://gateway.example", Repeat: payment.RepeatFirstSuccess, LooksUp: true, KeyLifetime: 24 * time.Hour,
			LookupForgets: true, SavesDeclines: true,
			Operations: payment.OperationRefund | payment.OperationCapture | payment.OperationVoid,
		},
		Late: time.Minute, Timeout: time.Second, LookupFirst: time.Minute, LookupMax: 15 * time.Minute,
		MaxLease: 2 * liveLease, MaxDelay: 3 * liveLease, MaxLookup: 3 * liveLease,
	}
}

// deferredRequest returns a request that the payment only be accepted.
func (r *repository) deferredRequest(id payment.OrderID) payment.ClaimRequest {
	a := r.claimRequest(id)
	a.Deferred, a.Async = true, true
	return a
}

// claim makes a request, and requires the verdict.
func (r *repository) claim(a payment.ClaimRequest, want payment.Verdict) payment.Payment {
	r.t.Helper()
	p, verdict, err := r.Claim(r.t.Context(), a)
	require.NoError(r.t, err)
	require.Equal(r.t, want, verdict)
	return *p
}

// allWork returns all kinds of due work.
func allWork() []payment.Work {
	return []payment.Work{payment.WorkCharges, payment.WorkTakeovers, payment.WorkLookups, payment.WorkHolds}
}

// pickUpPolicy returns the policy of a queue for a kind of work.
func (r *repository) pickUpPolicy(work payment.Work) payment.PickUpPolicy {
	return payment.PickUpPolicy{
		Work: work, Replica: "replica-q", Lease: liveLease, Rules: rules(), Worker: plainTime(time.Now()),
		NewKey: func() payment.GatewayKey { return payment.GatewayKey(fmt.Sprintf("key-%d", r.keys.Add(1))) },
	}
}

// pickUp claims at most limit due payments, of one kind of work.
func (r *repository) pickUp(policy payment.PickUpPolicy, limit int) []payment.Decision {
	r.t.Helper()
	due, err := r.ClaimDue(r.t.Context(), policy, limit)
	require.NoError(r.t, err)
	return due
}

// pickUpAll claims at most limit due payments of each kind of work.
func (r *repository) pickUpAll(limit int) (due []payment.Decision) {
	r.t.Helper()
	for _, work := range allWork() {
		due = append(due, r.pickUp(r.pickUpPolicy(work), limit)...)
	}
	return due
}

// nextDue is the next due time of any kind of work.
func (r *repository) nextDue() (in time.Duration, found bool) {
	r.t.Helper()
	for _, work := range allWork() {
		left, some, err := r.NextDue(r.t.Context(), r.pickUpPolicy(work))
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

// settle completes p's attempt with the result, and settles the payment or other operation to the outcome.
func (r *repository) settle(p payment.Payment, result payment.Result, o payment.Outcome) payment.Payment {
	r.t.Helper()
	require.NoError(r.t, r.Settle(r.t.Context(), settlement(p, result, o)))
	return r.stored(p.Ref())
}

// stored reads a payment or another operation.
func (r *repository) stored(ref payment.Ref) payment.Payment {
	r.t.Helper()
	if ref.Operation.IsCharge() {
		return r.find(ref.OrderID)
	}
	p, err := r.FindOperation(r.t.Context(), ref)
	require.NoError(r.t, err)
	return p
}

func (r *repository) find(id payment.OrderID) payment.Payment {
	r.t.Helper()
	p, err := r.Find(r.t.Context(), id)
	require.NoError(r.t, err)
	return p
}

// history reads all that is stored of an order, with comparable times.
func (r *repository) history(id payment.OrderID) ports.History {
	r.t.Helper()
	h, err := r.History(r.t.Context(), id)
	require.NoError(r.t, err)
	return plainHistory(h)
}

// inState brings a new order into a state, with one attempt unless it is scheduled.
func (r *repository) inState(state payment.State, id payment.OrderID) payment.Payment {
	r.t.Helper()
	if state == payment.StateScheduled {
		return r.claim(r.deferredRequest(id), payment.VerdictAccepted)
	}
	p := r.claim(r.claimRequest(id), payment.VerdictClaimed)
	if state != payment.StateProcessing {
		p = r.settle(p, resultFor(state), outcomeFor(state))
	}
	return p
}

// settlement completes p's attempt with the result, and settles p to the outcome.
func settlement(p payment.Payment, result payment.Result, o payment.Outcome) payment.Settlement {
	return payment.Settlement{ClaimRef: p.ClaimRef(), End: end(result), Outcome: o, Worker: plainTime(time.Now())}
}

// end is the result of an attempt that took a quarter of a second.
func end(r payment.Result) *payment.AttemptEnd {
	return &payment.AttemptEnd{Result: r, Took: 250 * time.Millisecond}
}

// resultFor is the result of an attempt that leads to the state.
func resultFor(state payment.State) payment.Result {
	switch state {
	case payment.StateSucceeded:
		return payment.Result{Class: payment.ClassApproved, TransactionID: "txn-1"}
	case payment.StateAuthorized, payment.StateVoided:
		return payment.Result{Class: payment.ClassAuthorized, TransactionID: "txn-1"}
	case payment.StateDeclined:
		return payment.Result{Class: payment.ClassDeclined, Code: "card_declined", Message: "no"}
	case payment.StateUnresolved:
		return payment.Result{Class: payment.ClassUnknownUnanswered, Message: "no answer"}
	default:
		return payment.Result{Class: payment.ClassNotCharged, Message: "connection refused"}
	}
}

// outcomeFor is an outcome with the state. If it is not final, it is due at once.
func outcomeFor(state payment.State) payment.Outcome {
	switch state {
	case payment.StateSucceeded, payment.StateAuthorized:
		return payment.Outcome{State: state, TransactionID: "txn-1"}
	case payment.StateVoided:
		return payment.Outcome{State: state, TransactionID: "txn-1", Reason: "the authorization expired"}
	case payment.StateDeclined:
		return payment.Outcome{State: state, Code: "card_declined", Reason: "no"}
	case payment.StateFailed:
		return payment.Outcome{State: state, Code: payment.CodeRetriesExhausted, Reason: "refused"}
	default:
		return payment.Outcome{State: state, Reason: "unknown"}
	}
}

// operationStates returns every state that an operation other than a charge can have.
func operationStates() []payment.State {
	return slices.DeleteFunc(payment.States(), func(s payment.State) bool {
		return s == payment.StateAuthorized || s == payment.StateVoided
	})
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
