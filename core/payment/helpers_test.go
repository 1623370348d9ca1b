package payment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// The moment, the lease and the payments with which the tests of the decisions begin. Each payment came
// into its state by decisions of the domain.

const (
	lease = 30 * time.Second
	late  = time.Minute
)

var noon = time.Date(2026, 9, 17, 12, 0, 0, 0, time.UTC)

func claimRequest(t testing.TB, key payment.GatewayKey) payment.ClaimRequest {
	return payment.ClaimRequest{
		OrderID: "order-1", Money: amountOf(t, "100.00", "USD"),
		NewKey: key, Replica: "replica-a", Lease: lease, Rules: rules(),
	}
}

func deferredRequest(t testing.TB, key payment.GatewayKey) payment.ClaimRequest {
	a := claimRequest(t, key)
	a.Deferred, a.Async = true, true
	return a
}

func amountOf(t testing.TB, amount, code string) payment.Money {
	t.Helper()
	m, err := payment.ParseMoney(amount, currencyOf(t, code))
	require.NoError(t, err)
	return m
}

// claimedPayment is an order that was claimed at noon for the first time, with "key-1".
func claimedPayment(t testing.TB) payment.Payment { return open(claimRequest(t, "key-1"), noon) }

// scheduledPayment is an order that was accepted for later at noon.
func scheduledPayment(t testing.TB) payment.Payment { return open(deferredRequest(t, "key-1"), noon) }

// attemptEnd is the result of an attempt that took two seconds.
func attemptEnd(r payment.Result) *payment.AttemptEnd {
	return &payment.AttemptEnd{Result: r, Took: 2 * time.Second}
}

func resultOf(class payment.Class) payment.Result {
	return payment.Result{Class: class, Message: "message of the gateway"}
}

// settled completes p's attempt with a class, and settles p to a state, at a time.
func settled(t testing.TB, p payment.Payment, class payment.Class, state payment.State, when time.Time) payment.Payment {
	t.Helper()
	s := payment.Settlement{
		ClaimRef: p.ClaimRef(), End: attemptEnd(resultOf(class)),
		Outcome: payment.Outcome{State: state, Reason: "reason", DueIn: time.Minute},
	}
	if state.Approved() {
		s.Outcome.TransactionID = "txn-1"
	}
	d, err := apply(s, p, when)
	require.NoError(t, err)
	return d.Payment
}

// renewed completes p's attempt with a class, and plans the next one after a second.
func renewed(t testing.TB, p payment.Payment, class payment.Class, when time.Time) payment.Payment {
	t.Helper()
	r := payment.Renewal{
		ClaimRef: p.ClaimRef(), End: *attemptEnd(resultOf(class)), Next: true, Delay: time.Second, Lease: lease,
	}
	d, err := apply(r, p, when)
	require.NoError(t, err)
	return d.Payment
}

// inState returns an order that was claimed at noon and came into the state five seconds later. It is not
// due then.
func inState(t testing.TB, state payment.State) payment.Payment {
	t.Helper()
	classes := map[payment.State]payment.Class{
		payment.StateScheduled: payment.ClassNotCharged, payment.StateSucceeded: payment.ClassApproved,
		payment.StateDeclined: payment.ClassDeclined, payment.StateFailed: payment.ClassNotCharged,
		payment.StateUnresolved: payment.ClassUnknownUnanswered, payment.StatePending: payment.ClassPending,
		payment.StateAuthorized: payment.ClassAuthorized,
	}
	switch state {
	case payment.StateProcessing:
		return claimedPayment(t)
	case payment.StateVoided:
		p := inState(t, payment.StateAuthorized)
		found := noon.Add(6 * time.Second)
		d, err := lookupRecord(rules(), p, payment.FoundVoided, at(found)).Apply(p, found)
		require.NoError(t, err)
		require.Equal(t, payment.StateVoided, d.Payment.State)
		d.Payment.Events = 0
		return d.Payment
	default:
	}
	return settled(t, claimedPayment(t), classes[state], state, noon.Add(5*time.Second))
}

// unresolvedPayment is claimed for a lookup. Its key was sent at noon, and is in doubt.
func unresolvedPayment(t *testing.T, doubt payment.Doubt) payment.Payment {
	t.Helper()
	p := inState(t, payment.StateUnresolved)
	p.Doubt = doubt
	p = pickUp(pickUpPolicy(), p, p.DueAt).Payment
	p.Doubt = doubt
	return p
}

// lookupRecord is the answer to a lookup of the payment's key, which was answered as soon as it was sent.
func lookupRecord(r payment.KeyRules, p payment.Payment, found payment.LookupResult, sent payment.Instant) payment.LookupRecord {
	return payment.LookupRecord{
		ClaimRef: p.ClaimRef(), Key: p.GatewayKey, Replica: "replica-q", Rules: r, Sent: sent, Worker: sent.Worker,
		Result: payment.Lookup{Result: found, TransactionID: "txn-7", Code: "code", Message: "message"},
	}
}

// failedByLookup is a payment that failed by one lookup, and when the second is due.
func failedByLookup(t *testing.T) (payment.Payment, time.Time) {
	t.Helper()
	now := noon.Add(time.Hour)
	p := unresolvedPayment(t, answered)
	d, err := lookupRecord(rules(), p, payment.FoundNothing, at(now)).Apply(p, now)
	require.NoError(t, err)
	require.Equal(t, payment.StateFailed, d.Payment.State)
	return d.Payment, now.Add(late)
}

// rules are those of a gateway that honours keys for a day, and of lookups that begin after 5 seconds.
func rules() payment.KeyRules {
	return payment.KeyRules{
		Capabilities: payment.Capabilities{
			Gateway: "https://gateway.example", Repeat: payment.RepeatFirstSuccess, LooksUp: true, KeyLifetime: 24 * time.Hour,
			LookupForgets: true, SavesDeclines: true,
		},
		Late: late, Timeout: 10 * time.Second, LookupFirst: 5 * time.Second, LookupMax: 15 * time.Minute,
		MaxLease: lease + 10*time.Second, MaxDelay: 2 * time.Hour, MaxLookup: 3 * time.Hour,
	}
}

// at is a moment at which the database's clock and the worker's agree.
func at(t time.Time) payment.Instant { return payment.Instant{DB: t, Worker: t} }

// doubtUnanswered is the doubt of an unanswered attempt that may have been sent until then.
func doubtUnanswered(until time.Time) payment.Doubt {
	return payment.Doubt{Unanswered: at(until), Latest: at(until)}
}

// doubtAnswered is the doubt of an attempt that was answered then, without an outcome.
func doubtAnswered(when time.Time) payment.Doubt {
	return payment.Doubt{Answered: true, Latest: at(when)}
}

var (
	noDoubt    = payment.Doubt{}
	answered   = payment.Doubt{Answered: true, Latest: at(noon)}
	named      = payment.Doubt{Answered: true, Named: true, Latest: at(noon)}
	unanswered = payment.Doubt{Unanswered: at(noon), Latest: at(noon)}
)

var allClasses = []payment.Class{
	payment.ClassApproved, payment.ClassDeclined, payment.ClassRejected, payment.ClassNotCharged,
	payment.ClassUnknownAnswered, payment.ClassUnknownUnanswered, payment.ClassPending, payment.ClassKeyReused,
}

var allFindings = []payment.LookupResult{
	payment.FoundApproved, payment.FoundDeclined, payment.FoundProcessing, payment.FoundPending,
	payment.FoundVoided, payment.FoundNothing, payment.FoundNoAnswer,
}

// open, decide, pickUp, pickUpKey and apply set both clocks to the same time.
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
	case payment.Expedite:
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

// requireUnchanged fails if a decision writes, or changes what was read.
func requireUnchanged(t testing.TB, p payment.Payment, d payment.Decision) {
	t.Helper()
	require.False(t, d.Write)
	require.Equal(t, p, d.Payment)
	require.Nil(t, d.PriorAttempt)
	require.Nil(t, d.Event)
}

// repeats are all that a repeat of a key may get.
var repeats = []payment.Repeat{
	payment.RepeatCharges, payment.RepeatFirstAnswer, payment.RepeatFirstSuccess, payment.RepeatLatestStatus,
}

// inDoubt reports whether the key of a payment in this state is in doubt.
func inDoubt(state payment.State) bool {
	return state == payment.StatePending || state == payment.StateUnresolved
}
