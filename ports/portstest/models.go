package portstest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// modelSteps is the number of random steps.
const modelSteps = 300

func models() []clause {
	return []clause{{"model/what is stored is what the domain decided", comparesWithModel}}
}

// model is what must be stored of one payment or other operation, by the domain's decisions alone.
type model struct {
	payment  payment.Payment // without its keys
	keys     []payment.Key
	attempts []payment.Attempt
	events   []payment.Event
}

// store records a decision.
func (m *model) store(d payment.Decision) {
	if len(d.Keys) > 0 {
		m.keys = plainKeys(d.Payment.Keys)
	}
	if !d.Write {
		return
	}
	m.payment = plain(d.Payment)
	if d.PriorAttempt != nil {
		m.attempts = append(m.attempts, plainAttempt(*d.PriorAttempt))
	}
	if d.Event != nil {
		m.events = append(m.events, plainEvent(*d.Event))
	}
}

// read is the payment as a decision gets it.
func (m *model) read() payment.Payment {
	p := m.payment
	p.Keys = slices.Clone(m.keys)
	return p
}

// randomLife applies the same random steps to a repository and a model of it.
type randomLife struct {
	*repository

	rand   *rand.Rand
	models map[payment.Ref]*model
	refs   []payment.Ref      // the keys of models, in the order of their first request
	claims []payment.ClaimRef // every claim that was held, most of them lost
}

// comparesWithModel compares all that is stored after each step. The environment variable PORTSTEST_SEED
// repeats a failed run by its seed.
func comparesWithModel(r *repository) {
	seed := rand.Uint64() //nolint:gosec // as below
	if given := os.Getenv("PORTSTEST_SEED"); given != "" {
		var err error
		seed, err = strconv.ParseUint(given, 10, 64)
		require.NoError(r.t, err, "PORTSTEST_SEED")
	}
	r.t.Logf("to repeat: PORTSTEST_SEED=%d", seed)
	l := &randomLife{
		repository: r,
		rand:       rand.New(rand.NewPCG(seed, 0)), //nolint:gosec // a test repeats it
		models:     make(map[payment.Ref]*model),
	}
	steps := []func(){
		l.request, l.request, l.pickUpDue, l.pickUpDue, l.renewOne, l.settleOne, l.settleOne, l.resolveOne,
		l.lookUpOne, l.lookUpOne, l.approveOne, l.refundOne, l.refundOne, l.captureOne, l.captureOne, l.notifyOne,
	}
	for range modelSteps {
		steps[l.rand.IntN(len(steps))]()
	}
	for _, m := range l.models {
		l.requireAsModel(m)
	}
}

func (l *randomLife) pick(of ...time.Duration) time.Duration { return of[l.rand.IntN(len(of))] }

func (l *randomLife) requireAsModel(m *model) {
	l.t.Helper()
	if ref := m.payment.Ref(); !ref.Operation.IsCharge() {
		require.Equal(l.t, l.charge(ref).payment, plain(l.find(ref.OrderID)))
	}
	h := l.historyOf(m.payment.Ref())
	require.Equal(l.t, m.payment, h.Payment)
	want := slices.Clone(m.attempts)
	if !m.payment.Attempt.StartedAt.IsZero() {
		want = append(want, m.payment.Attempt)
	}
	requireList(l.t, want, h.Attempts)
	requireList(l.t, m.events, h.Events)
	requireList(l.t, m.keys, h.Keys)
	requireGapless(l.t, h)
}

// requireList is require.Equal, except that nil and empty are equal.
func requireList[T any](t testing.TB, want, got []T) {
	t.Helper()
	if len(want)+len(got) > 0 {
		require.Equal(t, want, got)
	}
}

// request claims an order, sometimes with another amount or capture, and sometimes deferred.
func (l *randomLife) request() {
	n := l.rand.IntN(4)
	a := l.claimRequest(payment.OrderID(fmt.Sprintf("order-%d", n)))
	if n < 2 != (l.rand.IntN(8) == 0) {
		a.Capture = payment.CaptureManual
	}
	a.Replica = fmt.Sprintf("replica-%d", l.rand.IntN(3))
	a.Lease = l.pick(expiredLease, liveLease)
	a.Deferred = l.rand.IntN(4) == 0
	a.Async = a.Deferred && l.rand.IntN(2) == 0
	if l.rand.IntN(8) == 0 {
		a.Money = money(l.t, "5", "EUR")
	}
	got, verdict, err := l.Claim(l.t.Context(), a)
	require.NoError(l.t, err)
	m, known := l.models[payment.Ref{OrderID: a.OrderID}]
	if known {
		d := a.Decide(m.read(), plainTime(got.SeenAt))
		require.Equal(l.t, d.Verdict, verdict)
		m.store(d)
	} else {
		m = l.add(a.Open(got.CreatedAt))
	}
	requireSame(l.t, m.payment, *got)
	l.requireAsModel(m)
	l.claims = append(l.claims, got.ClaimRef())
}

// pickUpDue lets the queue claim some of the due payments.
func (l *randomLife) pickUpDue() {
	policy := l.pickUpPolicy(allWork()[l.rand.IntN(len(allWork()))])
	policy.Lease, policy.Rules.LookupFirst = l.pick(expiredLease, liveLease), l.pick(time.Millisecond, time.Minute)
	newKey := fmt.Sprintf("key-%d", l.keys.Add(1))
	policy.NewKey = func() payment.GatewayKey { return payment.GatewayKey(newKey) }
	limit := 1 + l.rand.IntN(4)
	due := l.pickUp(policy, limit)
	require.LessOrEqual(l.t, len(due), limit)
	defer l.adoptPostponedKeys()
	for _, d := range due {
		m := l.models[d.Payment.Ref()]
		now := plainTime(d.Payment.SeenAt)
		want := policy.PickUp(m.read(), now)
		if d.LookUp != "" {
			want = policy.PickUpKey(m.read(), d.LookUp, now)
		}
		require.Equal(l.t, want.Verdict, d.Verdict)
		l.store(m, l.decided(m, want))
		requireSame(l.t, m.payment, d.Payment)
		l.claims = append(l.claims, d.Payment.ClaimRef())
	}
}

// adoptPostponedKeys updates the model with keys that ClaimDue changed and did not return, because no lookup
// was needed yet.
func (l *randomLife) adoptPostponedKeys() {
	l.t.Helper()
	for ref, m := range l.models {
		stored := l.historyOf(ref).Keys
		require.Len(l.t, stored, len(m.keys))
		for i, k := range stored {
			was := m.keys[i]
			// Moments in the future of a clock are replaced, too.
			was.DueAt, was.Sent, was.Look, was.Doubt = k.DueAt, k.Sent, k.Look, k.Doubt
			require.Equal(l.t, was, k, "only its times may have changed")
		}
		m.keys = stored
	}
}

// some returns one of the payments and other operations, or nil before the first.
func (l *randomLife) some() *model {
	if len(l.refs) == 0 {
		return nil
	}
	return l.models[l.refs[l.rand.IntN(len(l.refs))]]
}

// someClaim returns the latest claim on some payment or other operation, or an earlier one, which may be lost.
func (l *randomLife) someClaim() (payment.ClaimRef, *model) {
	m := l.some()
	if m == nil {
		return payment.ClaimRef{}, nil
	}
	if l.rand.IntN(3) > 0 {
		return m.payment.ClaimRef(), m
	}
	h := l.claims[l.rand.IntN(len(l.claims))]
	return h, l.models[h.Ref()]
}

// write makes a fenced write, sometimes twice, and requires the model's error.
func (l *randomLife) write(
	m *model, write func() error,
	apply func(payment.Payment, time.Time) (payment.Decision, error),
) {
	for range 1 + l.rand.IntN(2) {
		err := write()
		stored := plain(l.stored(m.payment.Ref()))
		d, refused := apply(m.read(), stored.UpdatedAt)
		if refused != nil {
			require.ErrorContains(l.t, err, refused.Error())
		} else {
			require.NoError(l.t, err)
			l.store(m, l.decided(m, d))
		}
		l.requireAsModel(m)
	}
}

func (l *randomLife) renewOne() {
	claim, m := l.someClaim()
	if m == nil {
		return
	}
	rn := payment.Renewal{
		ClaimRef: claim, End: *end(answeredUnknown), Next: l.rand.IntN(3) > 0,
		Delay: l.pick(0, time.Second), Lease: l.pick(expiredLease, liveLease), Worker: plainTime(time.Now()),
	}
	l.write(m, func() error { return l.Renew(l.t.Context(), rn) }, rn.Apply)
}

// lookUpOne records the answer to a lookup of some key, sometimes twice.
func (l *randomLife) lookUpOne() {
	claim, m := l.someClaim()
	if m == nil || m.payment.KeySent.IsZero() {
		return // a key that was not sent is not looked up
	}
	keys := []payment.GatewayKey{m.payment.GatewayKey, "key-elsewhere"}
	for _, k := range m.keys {
		keys = append(keys, k.Key)
	}
	results := []payment.LookupResult{
		payment.FoundApproved, payment.FoundDeclined, payment.FoundProcessing, payment.FoundPending,
		payment.FoundVoided, payment.FoundNothing, payment.FoundNothing, payment.FoundNoAnswer,
	}
	if m.payment.Operation.IsCharge() {
		results = append(results, payment.FoundAuthorized, payment.FoundAuthorized)
	} else {
		results = append(results, payment.FoundReturned)
	}
	rec := lookup(m.payment, results[l.rand.IntN(len(results))])
	rec.ClaimRef, rec.Key, rec.Rules.Late = claim, keys[l.rand.IntN(len(keys))], l.pick(0, 0, time.Minute)
	rec.DeferIn = l.pick(0, liveLease)
	if rec.Result.Result == payment.FoundAuthorized {
		rec.Result.HoldExpires = plainTime(time.Now().Add(l.pick(time.Minute, 7*24*time.Hour)))
	}
	if l.rand.IntN(3) == 0 {
		rec.End, rec.Last = end(resultFor(payment.StateDeclined)), resultFor(payment.StateDeclined)
	}
	if rec.Result.Result == payment.FoundApproved && l.rand.IntN(2) > 0 {
		rec.Result.Result = payment.FoundNothing // an approval ends the random life
	}
	l.evidence(m, rec.Apply, func() (payment.Payment, payment.Verdict, error) {
		return l.RecordLookup(l.t.Context(), rec)
	})
}

// approveOne records an approval, sometimes twice.
func (l *randomLife) approveOne() {
	m := l.some()
	if m == nil || l.rand.IntN(4) > 0 {
		return
	}
	a := approval(m.payment, fmt.Sprintf("txn-%d", l.rand.IntN(3)))
	a.Hold = m.payment.Operation.IsCharge() && l.rand.IntN(2) == 0
	if l.rand.IntN(2) == 0 {
		a.Key = "key-elsewhere"
	}
	l.evidence(m, a.Apply, func() (payment.Payment, payment.Verdict, error) {
		return l.RecordApproval(l.t.Context(), a)
	})
}

// evidence makes a write that returns the payment, sometimes twice.
func (l *randomLife) evidence(
	m *model, apply func(payment.Payment, time.Time) (payment.Decision, error),
	write func() (payment.Payment, payment.Verdict, error),
) {
	for range 1 + l.rand.IntN(2) {
		got, verdict, err := write()
		if err != nil {
			require.ErrorIs(l.t, err, payment.ErrFenced)
			_, refused := apply(m.read(), time.Now())
			require.ErrorIs(l.t, refused, payment.ErrFenced)
			continue
		}
		d, err := apply(m.read(), plainTime(got.SeenAt))
		require.NoError(l.t, err)
		require.Equal(l.t, d.Verdict, verdict)
		l.store(m, l.decided(m, d))
		requireSame(l.t, m.payment, got)
		l.requireAsModel(m)
	}
}

func (l *randomLife) settleOne() {
	claim, m := l.someClaim()
	if m == nil {
		return
	}
	states := operationStates()
	if m.payment.Operation.IsCharge() {
		states = append(payment.States(), payment.StateAuthorized, payment.StateAuthorized)
	}
	state := states[1+l.rand.IntN(len(states)-1)]
	s := payment.Settlement{ClaimRef: claim, End: end(resultFor(state)), Outcome: outcomeFor(state), Worker: plainTime(time.Now())}
	s.Outcome.DueIn = l.pick(0, liveLease)
	if l.rand.IntN(3) == 0 {
		s.End = nil
	}
	if l.rand.IntN(3) == 0 {
		s.Event, s.DeferredRetry = payment.EventScheduled, state == payment.StateScheduled
	}
	l.write(m, func() error { return l.Settle(l.t.Context(), s) }, s.Apply)
}

func (l *randomLife) resolveOne() {
	m := l.some()
	if m == nil {
		return
	}
	resolution := resolution(m.payment.OrderID, []payment.Outcome{taken, notTaken}[l.rand.IntN(2)])
	resolution.Operation = m.payment.Operation
	l.write(m, func() error { return l.Resolve(l.t.Context(), resolution) }, resolution.Apply)
}
