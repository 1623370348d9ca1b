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
	payment  payment.Payment
	attempts []payment.Attempt
	events   []payment.Event
}

// store notes a decision.
func (m *model) store(d payment.Decision) {
	if !d.Write {
		return
	}
	m.payment = plain(d.Payment)
	if d.Past != nil {
		m.attempts = append(m.attempts, plainAttempt(*d.Past))
	}
	if d.Event != nil {
		m.events = append(m.events, plainEvent(*d.Event))
	}
}

// lives drives a repository and a model of it through the same random steps.
type lives struct {
	*repository

	rand   *rand.Rand
	orders map[payment.OrderID]*model
	known  []payment.OrderID // the keys of orders, in the order of their first request
	holds  []payment.Hold    // every claim that somebody had, most of them lost
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
	steps := []func(){l.request, l.request, l.pickUpDue, l.renewOne, l.settleOne, l.settleOne, l.resolveOne}
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
	a.Later = l.rand.IntN(4) == 0
	a.Async = a.Later && l.rand.IntN(2) == 0
	if l.rand.IntN(8) == 0 {
		a.Money = money(l.t, "5", "EUR")
	}
	got, verdict, err := l.Claim(l.t.Context(), a)
	require.NoError(l.t, err)
	m, known := l.orders[a.OrderID]
	if known {
		d := a.Decide(m.payment, plainTime(got.SeenAt))
		require.Equal(l.t, d.Verdict, verdict)
		m.store(d)
	} else {
		m = &model{payment: plain(a.Open(got.CreatedAt))}
		l.orders[a.OrderID], l.known = m, append(l.known, a.OrderID)
	}
	requireSame(l.t, m.payment, got)
	l.requireAsModel(a.OrderID, m)
	l.holds = append(l.holds, got.Hold())
}

// pickUpDue lets the queue take some of what is due.
func (l *lives) pickUpDue() {
	terms := l.terms()
	terms.Lease, terms.LookupFirst = l.one(dead, live), l.one(time.Millisecond, time.Minute)
	limit := 1 + l.rand.IntN(4)
	due := l.pickUp(terms, limit)
	require.LessOrEqual(l.t, len(due), limit)
	for _, d := range due {
		m := l.orders[d.Payment.OrderID]
		want := terms.PickUp(m.payment, plainTime(d.Payment.SeenAt))
		require.Equal(l.t, want.Verdict, d.Verdict)
		m.store(want)
		requireSame(l.t, m.payment, d.Payment)
		l.requireAsModel(d.Payment.OrderID, m)
		l.holds = append(l.holds, d.Payment.Hold())
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
func (l *lives) hold() (payment.Hold, *model) {
	m := l.some()
	if m == nil {
		return payment.Hold{}, nil
	}
	if l.rand.IntN(3) > 0 {
		return m.payment.Hold(), m
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
		d, refused := apply(m.payment, stored.UpdatedAt)
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
		Hold: hold, End: *end(transient), Next: l.rand.IntN(3) > 0,
		Delay: l.one(0, time.Second), Lease: l.one(dead, live),
	}
	l.write(m, func() error { return l.Renew(l.t.Context(), rn) }, rn.Apply)
}

func (l *lives) settleOne() {
	hold, m := l.hold()
	if m == nil {
		return
	}
	state := payment.States()[1+l.rand.IntN(len(payment.States())-1)]
	s := payment.Settlement{Hold: hold, End: end(resultFor(state)), Outcome: outcomeFor(state)}
	s.Outcome.DueIn = l.one(0, live)
	if l.rand.IntN(3) == 0 {
		s.End = nil
	}
	if l.rand.IntN(3) == 0 {
		s.Event, s.LaterRetry = payment.EventScheduled, state == payment.StateScheduled
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
