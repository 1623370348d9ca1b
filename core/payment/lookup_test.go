package payment_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// lookupCase is one case of a lookup of an unresolved payment's current key.
type lookupCase struct {
	found         payment.LookupResult
	doubt         string // of the key: answered, named, unanswered
	refused       payment.Class
	second        bool // a lookup that counted found nothing before
	savesDeclines bool
	deferred      bool // an async payment that has another round left
}

// The result of a lookup for a payment that waits for it, in every combination.
func TestLookup_ConcludesPayment(t *testing.T) {
	t.Parallel()
	for _, found := range allFindings {
		for _, doubt := range []string{"answered", "named", "unanswered"} {
			for _, refused := range []payment.Class{"", payment.ClassDeclined, payment.ClassRejected} {
				for n := range 8 {
					c := lookupCase{found, doubt, refused, n&1 > 0, n&2 > 0, n&4 > 0}
					t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) { t.Parallel(); c.check(t) })
				}
			}
		}
	}
}

// want returns the payment's state and its key's closure, by "What an answer proves" in
// docs/double-charge.md.
func (c lookupCase) want() (payment.State, payment.Closure) {
	if c.found == payment.FoundApproved {
		return payment.StateSucceeded, payment.ClosedCharged
	}
	closed, refused, final := c.wantKey()
	switch {
	case c.found == payment.FoundPending:
		return payment.StatePending, ""
	case !final:
		return payment.StateUnresolved, ""
	case refused == payment.ClassDeclined:
		return payment.StateDeclined, closed
	case refused == "" && c.deferred:
		return payment.StateScheduled, closed
	}
	return payment.StateFailed, closed
}

// wantKey returns the key's closure, its refusal, and whether the payment gets an outcome.
func (c lookupCase) wantKey() (closed payment.Closure, refused payment.Class, outcome bool) {
	nothing := c.found == payment.FoundNothing || c.found == payment.FoundDeclined && !c.savesDeclines
	counts := nothing && c.doubt != "unanswered"
	switch {
	case c.found == payment.FoundVoided:
		return payment.ClosedVoided, c.refused, true
	case c.found == payment.FoundDeclined && c.savesDeclines:
		return payment.ClosedDeclined, payment.ClassDeclined, true
	case counts && c.second && c.found == payment.FoundDeclined && c.refused == "":
		return payment.ClosedAbsent, payment.ClassDeclined, true
	case counts && c.second:
		return payment.ClosedAbsent, c.refused, true
	}
	return "", c.refused, counts && c.refused == "" && c.doubt != "named"
}

func (c lookupCase) check(t *testing.T) {
	now := noon.Add(time.Hour)
	p := unresolvedPayment(t, map[string]payment.Doubt{
		"answered": answered, "named": named, "unanswered": doubtUnanswered(now.Add(-late + 1)),
	}[c.doubt])
	if c.second || c.refused != "" {
		k := payment.Key{Key: "key-1", Refusal: payment.Refusal{Class: c.refused, Code: "old"}}
		if c.second {
			k.Look, k.Attempts = at(now.Add(-late)), p.Attempt.Number
		}
		p.Keys = []payment.Key{k}
	}
	r := rules()
	r.SavesDeclines = c.savesDeclines
	l := lookupRecord(r, p, c.found, at(now))
	if c.deferred {
		p.Async, l.DeferIn = true, 10*time.Minute
	}
	d, err := l.Apply(p, now)
	require.NoError(t, err)
	require.Equal(t, payment.VerdictWritten, d.Verdict)
	require.True(t, d.Write)
	got := d.Payment
	state, closed := c.want()
	require.Equal(t, state, got.State)
	require.Equal(t, p.Fence, got.Fence)
	require.Equal(t, p.GatewayKey, got.GatewayKey)
	require.Equal(t, state == payment.StateSucceeded, got.TransactionID == "txn-7")
	if state != payment.StateSucceeded {
		require.Equal(t, closed == "", got.Doubt.Any(), "the key is in doubt until it is closed")
	}
	requireConcludedKeys(t, d, closed, now)
	switch state {
	case payment.StateUnresolved:
		require.Equal(t, p.DueAt, got.DueAt, "as the claim of the lookup has set it")
		require.Equal(t, p.Lookups, got.Lookups)
		require.NotEmpty(t, got.Reason)
		require.Nil(t, d.Event)
	case payment.StatePending:
		require.Equal(t, now.Add(l.Rules.LookupFirst), got.DueAt)
		require.NotEmpty(t, got.Reason)
		require.Nil(t, d.Event)
	case payment.StateScheduled:
		require.Equal(t, now.Add(10*time.Minute), got.DueAt)
		require.Equal(t, 1, got.DeferredRetries)
		require.Equal(t, payment.EventScheduled, d.Event.Kind)
	case payment.StateDeclined, payment.StateFailed, payment.StateSucceeded, payment.StateProcessing:
		require.Equal(t, payment.EventReconciled, d.Event.Kind)
	}
	requireLookupRepeats(t, l, got, now.Add(time.Second))
}

// requireConcludedKeys fails unless the records of keys fit the state, and a key that is not closed is looked
// up a second time.
func requireConcludedKeys(t *testing.T, d payment.Decision, closed payment.Closure, now time.Time) {
	t.Helper()
	state := d.Payment.State
	for _, k := range d.Keys {
		require.Equal(t, closed, k.Closed)
		require.Equal(t, closed != "", !k.ClosedAt.IsZero())
		if closed == "" && (state == payment.StateFailed || state == payment.StateScheduled) {
			require.Equal(t, now.Add(late), k.DueAt, "the second lookup")
		} else {
			require.True(t, k.DueAt.IsZero())
		}
	}
	if state == payment.StateFailed || state == payment.StateScheduled || state == payment.StateDeclined {
		require.Len(t, d.Keys, 1)
	}
}

// requireLookupRepeats fails if a second recording, because the answer to the first was lost, changes more.
func requireLookupRepeats(t *testing.T, l payment.LookupRecord, got payment.Payment, now time.Time) {
	t.Helper()
	again, err := l.Apply(got, now)
	require.NoError(t, err)
	want := got
	want.UpdatedAt = again.Payment.UpdatedAt
	if got.State == payment.StateSucceeded {
		require.Equal(t, payment.VerdictReplay, again.Verdict)
	}
	require.Equal(t, want, again.Payment)
	require.Nil(t, again.Event)
}

// A second lookup that found nothing closes the key only if it is late enough and no attempt came between.
func TestLookup_SecondCountsOnlyAtADistance(t *testing.T) {
	t.Parallel()
	now := noon.Add(time.Hour)
	tests := map[string]struct {
		first    payment.Instant
		attempts int
		want     payment.Closure
		look     payment.Instant
	}{
		"late enough":             {at(now.Add(-late)), 2, payment.ClosedAbsent, at(now.Add(-late))},
		"too early":               {at(now.Add(-late + 1)), 2, "", at(now.Add(-late + 1))},
		"an attempt came between": {at(now.Add(-late)), 1, "", at(now)},
		"the database stepped forward": {
			payment.Instant{DB: now.Add(-time.Hour), Worker: now.Add(-1)},
			2, "",
			payment.Instant{DB: now.Add(-time.Hour), Worker: now.Add(-1)},
		},
		"the worker stepped forward": {
			payment.Instant{DB: now.Add(-1), Worker: now.Add(-time.Hour)},
			2, "",
			payment.Instant{DB: now.Add(-1), Worker: now.Add(-time.Hour)},
		},
		"the database stepped back": {
			payment.Instant{DB: now.Add(time.Hour), Worker: now.Add(-time.Hour)},
			2, "",
			payment.Instant{DB: now, Worker: now.Add(-time.Hour)},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := unresolvedPayment(t, answered)
			require.Equal(t, 2, p.Attempt.Number)
			p.Keys = []payment.Key{{
				Key: "key-1", Look: test.first, Attempts: test.attempts, Refusal: payment.Refusal{Class: payment.ClassDeclined},
			}}
			d, err := lookupRecord(rules(), p, payment.FoundNothing, at(now)).Apply(p, now)
			require.NoError(t, err)
			require.Equal(t, test.want, d.Keys[0].Closed)
			require.Equal(t, test.look, d.Keys[0].Look)
		})
	}
}

// The lookup that concludes a round takes the result of the last attempt into account.
func TestLookup_ConcludesRound(t *testing.T) {
	t.Parallel()
	now := noon.Add(3 * time.Second)
	tests := map[string]struct {
		before, last payment.Class
		found        payment.LookupResult
		want         payment.State
		code         string
	}{
		"answered, and nothing found":      {"", payment.ClassUnknownAnswered, payment.FoundNothing, payment.StateFailed, payment.CodeRetriesExhausted},
		"unanswered, and nothing found":    {"", payment.ClassUnknownUnanswered, payment.FoundNothing, payment.StateUnresolved, ""},
		"declined after an unknown one":    {payment.ClassUnknownAnswered, payment.ClassDeclined, payment.FoundNothing, payment.StateUnresolved, ""},
		"rejected after an unknown one":    {payment.ClassUnknownAnswered, payment.ClassRejected, payment.FoundNothing, payment.StateUnresolved, ""},
		"declined, and a decline is found": {payment.ClassUnknownAnswered, payment.ClassDeclined, payment.FoundDeclined, payment.StateDeclined, "code"},
		"declined, and a charge is found":  {payment.ClassUnknownUnanswered, payment.ClassDeclined, payment.FoundApproved, payment.StateSucceeded, ""},
		"pending, and nothing found":       {"", payment.ClassPending, payment.FoundNothing, payment.StateUnresolved, ""},
		"key reused, and a charge found":   {"", payment.ClassKeyReused, payment.FoundApproved, payment.StateSucceeded, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := claimedPayment(t)
			if test.before != "" {
				p = renewed(t, p, test.before, noon)
			}
			l := lookupRecord(rules(), p, test.found, at(now))
			l.End, l.Last = attemptEnd(resultOf(test.last)), resultOf(test.last)
			d, err := l.Apply(p, now)
			require.NoError(t, err)
			require.Equal(t, test.want, d.Payment.State)
			require.Equal(t, test.code, d.Payment.Code)
			require.Equal(t, test.last, d.Payment.Attempt.Class)
			if test.last == payment.ClassDeclined || test.last == payment.ClassRejected {
				require.True(t, test.found == payment.FoundApproved || d.Keys[0].Refusal.Class == test.last)
			}
			if test.want == payment.StateUnresolved {
				require.Equal(t, now.Add(5*time.Second), d.Payment.DueAt)
			}
			again, err := l.Apply(d.Payment, now)
			require.NoError(t, err)
			require.Equal(t, d.Payment, again.Payment, "a repeat changes nothing")
		})
	}
}

// A decline that came while an attempt was unknown becomes the outcome when the key is closed.
func TestLookup_RefusalIsFinalWhenKeyIsClosed(t *testing.T) {
	t.Parallel()
	p := renewed(t, claimedPayment(t), payment.ClassUnknownAnswered, noon)
	l := lookupRecord(rules(), p, payment.FoundNothing, at(noon.Add(2*time.Second)))
	l.End, l.Last = attemptEnd(resultOf(payment.ClassDeclined)), payment.Result{Class: payment.ClassDeclined, Code: "no"}
	d, err := l.Apply(p, noon.Add(2*time.Second))
	require.NoError(t, err)
	require.Equal(t, payment.StateUnresolved, d.Payment.State)

	lookups := 0
	for p = d.Payment; p.State == payment.StateUnresolved; lookups++ {
		now := p.DueAt
		p = pickUp(pickUpPolicy(), p, now).Payment
		d, err = lookupRecord(rules(), p, payment.FoundNothing, at(now)).Apply(p, now)
		require.NoError(t, err)
		p = d.Payment
	}
	require.Equal(t, payment.StateDeclined, p.State)
	require.Equal(t, "no", p.Code)
	require.Greater(t, lookups, 1)
	require.GreaterOrEqual(t, p.UpdatedAt.Sub(noon), late)
	require.Equal(t, payment.VerdictClaimed, decide(claimRequest(t, "key-2"), p, p.UpdatedAt).Verdict)
}

// A decline was recorded, and its worker was lost before it could look the key up. It counts when the key
// may not be sent again: one lookup does not make the payment final.
func TestLookup_RefusalOutlivesItsWorker(t *testing.T) {
	t.Parallel()
	for name, lostWorkers := range map[string]int{"an expired key": 0, "quarantined": payment.MaxLostWorkers} {
		p := renewed(t, claimedPayment(t), payment.ClassUnknownAnswered, noon)
		p.Attempt.StartedAt, p.LostWorkers = noon, lostWorkers
		r := payment.Renewal{ClaimRef: p.ClaimRef(), End: *attemptEnd(resultOf(payment.ClassDeclined)), Worker: noon, Lease: lease}
		d, err := r.Apply(p, noon)
		require.NoError(t, err, name)

		on, now := pickUpPolicy(), noon.Add(time.Hour)
		if lostWorkers == 0 {
			d.Payment.KeyLifetime = time.Minute
			on.Rules.LookupForgets = false
		}
		d = pickUp(on, d.Payment, now)
		require.Equal(t, payment.StateUnresolved, d.Payment.State, name)
		p = d.Payment
		l := lookupRecord(on.Rules, p, payment.FoundNothing, at(now.Add(late)))
		d, err = l.Apply(p, now.Add(late))
		require.NoError(t, err, name)
		require.Equal(t, payment.StateUnresolved, d.Payment.State, name)
	}
}

// Any answer but a charge counts only if the payment has not changed since it was read.
func TestLookup_IsFenced(t *testing.T) {
	t.Parallel()
	now := noon.Add(time.Hour)
	held := unresolvedPayment(t, answered)
	for name, change := range map[string]func(*payment.Payment){
		"claimed by another":   func(p *payment.Payment) { *p = decide(claimRequest(t, "key-2"), *p, now).Payment },
		"looked up by another": func(p *payment.Payment) { p.Fence++ },
		"an attempt began":     func(p *payment.Payment) { p.Attempt.Number++ },
		"resolved by an operator": func(p *payment.Payment) {
			d, err := apply(resolution(payment.Outcome{State: payment.StateFailed, Reason: "no"}), *p, now)
			require.NoError(t, err)
			*p = d.Payment
		},
	} {
		p := held
		change(&p)
		for _, found := range allFindings {
			d, err := lookupRecord(rules(), held, found, at(now)).Apply(p, now)
			if found != payment.FoundApproved {
				require.ErrorIs(t, err, payment.ErrFenced, name)
				require.Equal(t, payment.Decision{}, d)
				continue
			}
			require.NoError(t, err, name)
			want := payment.VerdictEvidence
			if p.State == payment.StateUnresolved {
				want = payment.VerdictWritten // it waits for the charge all the same
			}
			require.Equal(t, want, d.Verdict, name)
			require.Equal(t, payment.StateSucceeded, d.Payment.State, name)
			require.Equal(t, "txn-7", d.Payment.TransactionID)
		}
	}
}

// The second lookup of a failed payment is due after Late, and closes the key or finds the charge.
func TestLookup_SecondOfFailedPayment(t *testing.T) {
	t.Parallel()
	p, due := failedByLookup(t)
	require.Equal(t, payment.VerdictNotDue, pickUpKey(pickUpPolicy(), p, "key-1", due.Add(-1)).Verdict)
	require.Equal(t, payment.VerdictNotDue, pickUpKey(pickUpPolicy(), p, "key-9", due).Verdict)
	d := pickUpKey(pickUpPolicy(), p, "key-1", due)
	require.Equal(t, payment.VerdictLookUp, d.Verdict)
	require.Equal(t, payment.GatewayKey("key-1"), d.LookUp)
	require.False(t, d.Write)
	require.Equal(t, due.Add(10*time.Second), d.Keys[0].DueAt, "the next one, if this one is lost")
	p = d.Payment

	tests := map[payment.LookupResult]struct {
		state  payment.State
		closed payment.Closure
		doubt  bool
	}{
		payment.FoundNothing:    {payment.StateFailed, payment.ClosedAbsent, false},
		payment.FoundDeclined:   {payment.StateFailed, payment.ClosedDeclined, false},
		payment.FoundVoided:     {payment.StateFailed, payment.ClosedVoided, false},
		payment.FoundProcessing: {payment.StateFailed, "", true},
		payment.FoundPending:    {payment.StateFailed, "", true},
		payment.FoundNoAnswer:   {payment.StateFailed, "", true},
		payment.FoundApproved:   {payment.StateSucceeded, payment.ClosedCharged, false},
	}
	for found, test := range tests {
		l := lookupRecord(rules(), p, found, at(due))
		d, err := l.Apply(p, due)
		require.NoError(t, err)
		got := d.Payment
		require.Equal(t, test.state, got.State, found)
		require.Equal(t, test.doubt, got.Doubt.Any(), found)
		require.Equal(t, test.closed, got.Keys[0].Closed, found)
		require.Equal(t, test.closed == "", !got.Keys[0].DueAt.IsZero(), "repeated until it is closed: %s", found)
		require.Equal(t, test.closed != "", d.Event != nil, found)
		again, err := l.Apply(got, due.Add(time.Second))
		require.NoError(t, err, found)
		require.Equal(t, got, again.Payment, "a repeat changes nothing: %s", found)
		require.False(t, again.Write, found)
	}
}

// After a claim between the two lookups, the key must be closed anew.
func TestLookup_ClaimInBetweenResetsTheProof(t *testing.T) {
	t.Parallel()
	failed, due := failedByLookup(t)
	failed = pickUpKey(pickUpPolicy(), failed, "key-1", due).Payment
	p := decide(claimRequest(t, "key-2"), failed, due).Payment
	require.Equal(t, payment.GatewayKey("key-1"), p.GatewayKey)
	require.True(t, p.Keys[0].Look.IsZero())
	require.True(t, p.Keys[0].DueAt.IsZero())
	_, err := lookupRecord(rules(), failed, payment.FoundNothing, at(due)).Apply(p, due)
	require.ErrorIs(t, err, payment.ErrFenced)
	require.True(t, p.Doubt.Any(), "no closure covers the doubt of the round before")
}

// A charge that the gateway reports contradicts every closure of its key.
func TestLookup_FoundChargeReopensKey(t *testing.T) {
	t.Parallel()
	now := noon.Add(2 * time.Hour)
	for _, found := range []payment.LookupResult{payment.FoundProcessing, payment.FoundPending} {
		for _, state := range []payment.State{payment.StateFailed, payment.StateDeclined} {
			p := inState(t, state)
			p.Keys = []payment.Key{{
				Key: "key-1", Closed: payment.ClosedPerson, ClosedAt: noon, DueAt: now, WatchUntil: now.Add(time.Hour),
			}}
			p = pickUpKey(pickUpPolicy(), p, "key-1", now).Payment
			d, err := lookupRecord(rules(), p, found, at(now)).Apply(p, now)
			require.NoError(t, err)
			require.Empty(t, d.Keys[0].Closed)
			require.True(t, d.Payment.Doubt.Any())
			require.Equal(t, payment.GatewayKey("key-1"), decide(claimRequest(t, "key-2"), d.Payment, now).Payment.GatewayKey)
		}
	}
}
