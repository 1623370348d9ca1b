package payment_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"paymentd/core/payment"
)

// life is one order in the hands of many: requests, queues, workers that are slow, dead
// or late, and people. Whatever they do, in whatever order, the invariants hold.
type life struct {
	now     time.Time
	payment payment.Payment
	past    []payment.Attempt
	events  []payment.Event
	holds   []payment.Hold // every claim that there has been
	keys    int
	// sure is how many attempts had ended when the outcome was known the last time: those
	// after them are the ones that can be in doubt.
	sure int
	// silent says that since then a worker lost its claim without a word, and may be alive.
	silent bool
}

func TestLives(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := &life{now: noon, keys: 1}
		if rapid.Bool().Draw(t, "accepted first") {
			l.payment = accepted(t)
		} else {
			l.payment = opened(t)
		}
		l.holds = []payment.Hold{l.payment.Hold()}
		t.Repeat(map[string]func(*rapid.T){
			"ask":            l.ask,
			"pick up":        l.pickUp,
			"renew":          l.renew,
			"settle":         l.settle,
			"settle by rule": l.settleByRule,
			"resolve":        l.resolve,
			"wait":           l.wait,
			"fall silent":    l.fallSilent,
			"":               l.requireInvariants,
		})
	})
}

// requireInvariants checks what is true of every payment at all times.
func (l *life) requireInvariants(t *rapid.T) {
	p := l.payment
	require.Equal(t, amountOf(t, "100.00", "USD"), p.Money)
	require.Equal(t, noon, p.CreatedAt)
	require.Equal(t, p.State.Known(), p.DueAt.IsZero(), "what is not known is due some day, and nothing else is")
	require.Equal(t, p.State == payment.StateSucceeded, p.TransactionID != "")

	attempts := slices.Concat(l.past, []payment.Attempt{p.Attempt})
	for i, a := range attempts {
		require.Equal(t, i+1, a.Number, "attempts are counted without a gap")
	}
	require.Len(t, attempts[:p.Attempts()], p.Attempts())
	for i, e := range l.events {
		require.Equal(t, i+1, e.Number, "events are counted without a gap")
	}
	require.Len(t, l.events, p.Events)

	if a := p.Attempt; !a.StartedAt.IsZero() {
		require.Equal(t, p.Fence, a.Fence, "the latest attempt is its claim's")
		require.Equal(t, p.GatewayKey, a.GatewayKey)
	}
	doubtful := l.silent
	for _, a := range attempts[min(l.sure, len(attempts)):] {
		doubtful = doubtful || a.Class.Unknown()
	}
	require.Equal(t, doubtful, p.Doubt.Any(), "a doubt lasts until the outcome is known")
}

// store takes a decision over, and checks what no decision may do.
func (l *life) store(t *rapid.T, d payment.Decision) {
	was, is := l.payment, d.Payment
	if !d.Write {
		requireUntouched(t, was, d)
		return
	}
	require.NotContains(t, []payment.Verdict{
		payment.VerdictBusy, payment.VerdictReplay, payment.VerdictNotDue,
	}, d.Verdict)
	if was.State == payment.StateSucceeded {
		require.Equal(t, payment.VerdictMismatch, d.Verdict, "a success is final")
		require.Equal(t, payment.StateSucceeded, is.State)
		require.Equal(t, was.TransactionID, is.TransactionID)
	}
	if was.GatewayKey != is.GatewayKey {
		require.Equal(t, payment.StateDeclined, was.State, "a gateway key is kept until a decline")
	}
	require.Equal(t, l.now, is.UpdatedAt)
	l.payment = is
	if d.Past != nil {
		l.past = append(l.past, *d.Past)
	}
	if d.Event != nil {
		l.events = append(l.events, *d.Event)
	}
	if d.Verdict == payment.VerdictClaimed || d.Verdict == payment.VerdictSetAside {
		l.silent = l.silent || !was.Attempt.StartedAt.IsZero() && was.Attempt.Class == ""
	}
	if is.State.Known() {
		l.sure, l.silent = is.Attempts(), false
	}
}

// claimed takes a claim over: it alone moves the fencing number, by one.
func (l *life) claimed(t *rapid.T, d payment.Decision) {
	fence := l.payment.Fence
	l.store(t, d)
	if d.Write && d.Verdict != payment.VerdictMismatch && d.Verdict != payment.VerdictAccepted {
		fence++
		l.holds = append(l.holds, d.Payment.Hold())
	}
	require.Equal(t, fence, l.payment.Fence)
}

func (l *life) ask(t *rapid.T) {
	l.keys++
	a := ask(t, payment.GatewayKey("key-"+string(rune('a'+l.keys))))
	a.Later, a.Async = rapid.Bool().Draw(t, "later"), rapid.Bool().Draw(t, "async")
	if rapid.IntRange(0, 9).Draw(t, "wrong amount") == 0 {
		a.Money = amountOf(t, "99.99", "USD")
	}
	alive := l.payment.Claimed(l.now)
	d := a.Decide(l.payment, l.now)
	require.False(t, alive && d.Verdict == payment.VerdictClaimed, "two hold a live claim")
	l.claimed(t, d)
}

func (l *life) pickUp(t *rapid.T) {
	alive := l.payment.Claimed(l.now)
	d := terms().PickUp(l.payment, l.now)
	require.False(t, alive && d.Write, "two hold a live claim")
	l.claimed(t, d)
}

// hold draws the latest claim or an older one, and says whether it is lost.
func (l *life) hold(t *rapid.T) (h payment.Hold, lost bool) {
	if rapid.Bool().Draw(t, "present") {
		return l.payment.Hold(), false
	}
	h = rapid.SampledFrom(l.holds).Draw(t, "hold")
	return h, h.Fence < l.payment.Fence
}

// write takes a fenced write over, unless it is refused.
func (l *life) write(t *rapid.T, lost bool, d payment.Decision, err error) {
	if lost {
		require.ErrorIs(t, err, payment.ErrFenced, "an old fencing number writes nothing")
	}
	if err != nil {
		require.ErrorIs(t, err, payment.ErrFenced)
		require.Equal(t, payment.Decision{}, d)
		return
	}
	require.Equal(t, l.payment.Fence, d.Payment.Fence)
	l.store(t, d)
}

var allClasses = []payment.Class{
	payment.ClassApproved, payment.ClassDeclined, payment.ClassRejected, payment.ClassNotCharged,
	payment.ClassUnknownAnswered, payment.ClassUnknownUnanswered,
}

func (l *life) renew(t *rapid.T) {
	hold, lost := l.hold(t)
	if hold.State != payment.StateProcessing {
		return // a lookup has nothing to renew
	}
	class := rapid.SampledFrom(allClasses[3:]).Draw(t, "class")
	r := payment.Renewal{
		Hold: hold, End: *ended(of(class)), Next: rapid.Bool().Draw(t, "next"),
		Delay: rapid.SampledFrom([]time.Duration{0, time.Second}).Draw(t, "delay"), Lease: lease,
	}
	d, err := r.Apply(l.payment, l.now)
	l.write(t, lost, d, err)
	if err != nil {
		return
	}
	again, err := r.Apply(l.payment, l.now)
	require.NoError(t, err)
	require.Nil(t, again.Past, "a repetition records nothing")
	require.Equal(t, l.payment, again.Payment)
}

// settle writes any outcome at all.
func (l *life) settle(t *rapid.T) {
	hold, lost := l.hold(t)
	if hold.State != payment.StateProcessing && hold.State != payment.StateUnresolved {
		return // nobody's claim
	}
	state := rapid.SampledFrom(payment.States()[1:]).Draw(t, "state")
	s := payment.Settlement{Hold: hold, Outcome: payment.Outcome{State: state, DueIn: time.Second}}
	if state == payment.StateSucceeded {
		s.Outcome.TransactionID = "txn-1"
	}
	if hold.State == payment.StateProcessing && rapid.Bool().Draw(t, "ended") {
		s.End = ended(of(rapid.SampledFrom(allClasses).Draw(t, "class")))
	}
	d, err := s.Apply(l.payment, l.now)
	l.write(t, lost, d, err)
	if err != nil || state == hold.State {
		return
	}
	again, err := s.Apply(l.payment, l.now)
	require.NoError(t, err)
	requireUntouched(t, l.payment, again)
}

// settleByRule writes what the domain makes of the attempt at hand.
func (l *life) settleByRule(t *rapid.T) {
	p := l.payment
	if p.State != payment.StateProcessing || !p.Attempt.Begun(l.now) || p.Attempt.Class != "" {
		return
	}
	result := of(rapid.SampledFrom(allClasses).Draw(t, "class"))
	result.TransactionID = "txn-1"
	outcome, sure := result.Outcome(p.Doubt.With(result.Class, l.now))
	if !sure {
		outcome = payment.Lookup{Finding: payment.FoundNothing}.Outcome(true)
	}
	d, err := payment.Settlement{Hold: p.Hold(), End: ended(result), Outcome: outcome}.Apply(p, l.now)
	require.NoError(t, err)
	require.False(t, d.Payment.State == payment.StateFailed && p.Doubt.Any(), "a doubt was written down as failed")
	l.store(t, d)
}

func (l *life) resolve(t *rapid.T) {
	r := resolution(payment.Outcome{State: payment.StateSucceeded, TransactionID: "txn-9"})
	if rapid.Bool().Draw(t, "failed") {
		r.Outcome = payment.Outcome{State: payment.StateFailed, Reason: "not on the statement"}
	}
	fence, state := l.payment.Fence, l.payment.State
	d, err := r.Apply(l.payment, l.now)
	if state != payment.StateUnresolved {
		require.Error(t, err)
		return
	}
	require.NoError(t, err)
	l.store(t, d)
	require.Equal(t, fence+1, l.payment.Fence, "a lookup under way is fenced")
}

func (l *life) wait(t *rapid.T) {
	l.now = l.now.Add(rapid.SampledFrom([]time.Duration{
		time.Microsecond, time.Second, lease, time.Hour,
	}).Draw(t, "wait"))
}

// fallSilent ends the lease of whoever holds the payment, as for a replica without a heartbeat.
func (l *life) fallSilent(*rapid.T) {
	if l.payment.Claimed(l.now) {
		l.payment.DueAt = l.now
	}
}
