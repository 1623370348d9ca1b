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

// modelSteps is how long the random lives are.
const modelSteps = 300

func models() []clause {
	return []clause{{"what is stored is what the domain decided", liveAtRandom}}
}

// model is what must be stored of one order: nothing but the domain's decisions.
type model struct {
	payment  payment.Payment // without its keys
	keys     []payment.Key
	attempts []payment.Attempt
	events   []payment.Event
}

// store notes a decision.
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

// lives drives a repository and a model of it through the same random steps.
type lives struct {
	*repository

	rand   *rand.Rand
	orders map[payment.OrderID]*model
	known  []payment.OrderID  // the keys of orders, in the order of their first request
	holds  []payment.ClaimRef // every claim that somebody had, most of them lost
}

// liveAtRandom compares all that is stored after each step. A failing run is repeated by
// its seed, in the environment variable PORTSTEST_SEED.
func liveAtRandom(r *repository) {
	seed := rand.Uint64() //nolint:gosec // as below
	if given := os.Getenv("PORTSTEST_SEED"); given != "" {
		var err error
		seed, err = strconv.ParseUint(given, 10, 64)
		require.NoError(r.t, err, "PORTSTEST_SEED")
	}
	r.t.Logf("to repeat: PORTSTEST_SEED=%d", seed)
	l := &lives{
		repository: r,
		rand:       rand.New(rand.NewPCG(seed, 0)), //nolint:gosec // a test repeats it
		orders:     make(map[payment.OrderID]*model),
	}
	steps := []func(){
		l.request, l.request, l.pickUpDue, l.pickUpDue, l.renewOne, l.settleOne, l.settleOne, l.resolveOne,
		l.lookUpOne, l.lookUpOne, l.approveOne,
	}
	for range modelSteps {
		steps[l.rand.IntN(len(steps))]()
	}
	for id, m := range l.orders {
		l.requireAsModel(id, m)
	}
}

func (l *lives) one(of ...time.Duration) time.Duration { return of[l.rand.IntN(len(of))] }

func (l *lives) requireAsModel(id payment.OrderID, m *model) {
	l.t.Helper()
	h := l.history(id)
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

// requireList is require.Equal, where nil and empty are the same.
func requireList[T any](t testing.TB, want, got []T) {
	t.Helper()
	if len(want)+len(got) > 0 {
		require.Equal(t, want, got)
	}
}

// request claims an order, sometimes with another amount, or only for later.
func (l *lives) request() {
	a := l.ask(payment.OrderID(fmt.Sprintf("order-%d", l.rand.IntN(4))))
	a.Replica = fmt.Sprintf("replica-%d", l.rand.IntN(3))
	a.Lease = l.one(dead, live)
	a.Deferred = l.rand.IntN(4) == 0
	a.Async = a.Deferred && l.rand.IntN(2) == 0
	if l.rand.IntN(8) == 0 {
		a.Money = money(l.t, "5", "EUR")
	}
	got, verdict, err := l.Claim(l.t.Context(), a)
	require.NoError(l.t, err)
	m, known := l.orders[a.OrderID]
	if known {
		d := a.Decide(m.read(), plainTime(got.SeenAt))
		require.Equal(l.t, d.Verdict, verdict)
		m.store(d)
	} else {
		m = &model{payment: plain(a.Open(got.CreatedAt))}
		l.orders[a.OrderID], l.known = m, append(l.known, a.OrderID)
	}
	requireSame(l.t, m.payment, got)
	l.requireAsModel(a.OrderID, m)
	l.holds = append(l.holds, got.ClaimRef())
}

// pickUpDue lets the queue take some of what is due.
func (l *lives) pickUpDue() {
	terms := l.terms(works()[l.rand.IntN(3)])
	terms.Lease, terms.Rules.LookupFirst = l.one(dead, live), l.one(time.Millisecond, time.Minute)
	minted := fmt.Sprintf("key-%d", l.keys.Add(1))
	terms.NewKey = func() payment.GatewayKey { return payment.GatewayKey(minted) }
	limit := 1 + l.rand.IntN(4)
	due := l.pickUp(terms, limit)
	require.LessOrEqual(l.t, len(due), limit)
	defer l.putOff()
	for _, d := range due {
		m := l.orders[d.Payment.OrderID]
		now := plainTime(d.Payment.SeenAt)
		want := terms.PickUp(m.read(), now)
		if d.LookUp != "" {
			want = terms.PickUpKey(m.read(), d.LookUp, now)
		}
		require.Equal(l.t, want.Verdict, d.Verdict)
		m.store(want)
		requireSame(l.t, m.payment, d.Payment)
		l.holds = append(l.holds, d.Payment.ClaimRef())
	}
}

// putOff takes over what ClaimDue does to keys and does not return: a lookup that is not needed, or not yet.
func (l *lives) putOff() {
	l.t.Helper()
	for id, m := range l.orders {
		stored := l.history(id).Keys
		require.Len(l.t, stored, len(m.keys))
		for i, k := range stored {
			was := m.keys[i]
			// A moment in the future of a clock is repaired on the way.
			was.DueAt, was.Sent, was.Look, was.Doubt = k.DueAt, k.Sent, k.Look, k.Doubt
			require.Equal(l.t, was, k, "only when it is due has changed")
		}
		m.keys = stored
	}
}

// some returns one of the orders, or nil before the first.
func (l *lives) some() *model {
	if len(l.known) == 0 {
		return nil
	}
	return l.orders[l.known[l.rand.IntN(len(l.known))]]
}

// hold returns the latest claim on some order, or one that may be long lost.
func (l *lives) hold() (payment.ClaimRef, *model) {
	m := l.some()
	if m == nil {
		return payment.ClaimRef{}, nil
	}
	if l.rand.IntN(3) > 0 {
		return m.payment.ClaimRef(), m
	}
	h := l.holds[l.rand.IntN(len(l.holds))]
	return h, l.orders[h.OrderID]
}

// write makes a fenced write, sometimes twice, and wants the model's error.
func (l *lives) write(
	m *model, write func() error,
	apply func(payment.Payment, time.Time) (payment.Decision, error),
) {
	for range 1 + l.rand.IntN(2) {
		err := write()
		stored := plain(l.find(m.payment.OrderID))
		d, refused := apply(m.read(), stored.UpdatedAt)
		if refused != nil {
			require.ErrorContains(l.t, err, refused.Error())
		} else {
			require.NoError(l.t, err)
			m.store(d)
		}
		l.requireAsModel(m.payment.OrderID, m)
	}
}

func (l *lives) renewOne() {
	hold, m := l.hold()
	if m == nil {
		return
	}
	rn := payment.Renewal{
		ClaimRef: hold, End: *end(transient), Next: l.rand.IntN(3) > 0,
		Delay: l.one(0, time.Second), Lease: l.one(dead, live), Worker: plainTime(time.Now()),
	}
	l.write(m, func() error { return l.Renew(l.t.Context(), rn) }, rn.Apply)
}

// lookUpOne records the answer to a lookup of some key, sometimes twice.
func (l *lives) lookUpOne() {
	hold, m := l.hold()
	if m == nil || m.payment.KeySent.IsZero() {
		return // of a key that was not sent there is nothing to ask
	}
	keys := []payment.GatewayKey{m.payment.GatewayKey, "key-elsewhere"}
	for _, k := range m.keys {
		keys = append(keys, k.Key)
	}
	findings := []payment.LookupResult{
		payment.FoundApproved, payment.FoundDeclined, payment.FoundProcessing, payment.FoundPending,
		payment.FoundVoided, payment.FoundNothing, payment.FoundNothing, payment.FoundNoAnswer,
	}
	rec := lookup(m.payment, findings[l.rand.IntN(len(findings))])
	rec.ClaimRef, rec.Key, rec.Rules.Late = hold, keys[l.rand.IntN(len(keys))], l.one(0, 0, time.Minute)
	rec.DeferIn = l.one(0, live)
	if l.rand.IntN(3) == 0 {
		rec.End, rec.Last = end(resultFor(payment.StateDeclined)), resultFor(payment.StateDeclined)
	}
	if rec.Result.Result == payment.FoundApproved && l.rand.IntN(2) > 0 {
		rec.Result.Result = payment.FoundNothing // an approval ends a life
	}
	l.evidence(m, rec.Apply, func() (payment.Payment, payment.Verdict, error) {
		return l.RecordLookup(l.t.Context(), rec)
	})
}

// approveOne records an approval, sometimes twice.
func (l *lives) approveOne() {
	m := l.some()
	if m == nil || l.rand.IntN(4) > 0 {
		return
	}
	a := approval(m.payment, fmt.Sprintf("txn-%d", l.rand.IntN(3)))
	if l.rand.IntN(2) == 0 {
		a.Key = "key-elsewhere"
	}
	l.evidence(m, a.Apply, func() (payment.Payment, payment.Verdict, error) {
		return l.RecordApproval(l.t.Context(), a)
	})
}

// evidence makes a write that returns the payment, sometimes twice.
func (l *lives) evidence(
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
		m.store(d)
		requireSame(l.t, m.payment, got)
		l.requireAsModel(m.payment.OrderID, m)
	}
}

func (l *lives) settleOne() {
	hold, m := l.hold()
	if m == nil {
		return
	}
	state := payment.States()[1+l.rand.IntN(len(payment.States())-1)]
	s := payment.Settlement{ClaimRef: hold, End: end(resultFor(state)), Outcome: outcomeFor(state), Worker: plainTime(time.Now())}
	s.Outcome.DueIn = l.one(0, live)
	if l.rand.IntN(3) == 0 {
		s.End = nil
	}
	if l.rand.IntN(3) == 0 {
		s.Event, s.DeferredRetry = payment.EventScheduled, state == payment.StateScheduled
	}
	l.write(m, func() error { return l.Settle(l.t.Context(), s) }, s.Apply)
}

func (l *lives) resolveOne() {
	m := l.some()
	if m == nil {
		return
	}
	resolution := person(m.payment.OrderID, []payment.Outcome{taken, notTaken}[l.rand.IntN(2)])
	l.write(m, func() error { return l.Resolve(l.t.Context(), resolution) }, resolution.Apply)
}
