package payment_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

var allFindings = []payment.LookupResult{
	payment.FoundApproved, payment.FoundDeclined, payment.FoundProcessing, payment.FoundPending,
	payment.FoundVoided, payment.FoundNothing, payment.FoundNoAnswer,
}

// asked is one case of a lookup of an unresolved payment's present key.
type asked struct {
	found         payment.LookupResult
	doubt         string // of the key: answered, named, lingers
	refused       payment.Class
	second        bool // a lookup that counted found nothing before
	savesDeclines bool
	deferred      bool // an async payment that has another round left
}

// What a lookup makes of a payment that waits for it, for every combination.
func TestALookupConcludesAPayment(t *testing.T) {
	t.Parallel()
	for _, found := range allFindings {
		for _, doubt := range []string{"answered", "named", "lingers"} {
			for _, refused := range []payment.Class{"", payment.ClassDeclined, payment.ClassRejected} {
				for n := range 8 {
					c := asked{found, doubt, refused, n&1 > 0, n&2 > 0, n&4 > 0}
					t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) { t.Parallel(); c.check(t) })
				}
			}
		}
	}
}

// want is the payment's state and why its key is closed, in the words of "What an answer proves".
func (c asked) want() (payment.State, payment.Closure) {
	nothing := c.found == payment.FoundNothing || c.found == payment.FoundDeclined && !c.savesDeclines
	counts := nothing && c.doubt != "lingers"
	closed := payment.Closure("")
	refused := c.refused
	switch {
	case c.found == payment.FoundApproved:
		return payment.StateSucceeded, payment.ClosedCharged
	case c.found == payment.FoundVoided:
		closed = payment.ClosedVoided
	case c.found == payment.FoundDeclined && c.savesDeclines:
		closed, refused = payment.ClosedDeclined, payment.ClassDeclined
	case counts && c.second:
		closed = payment.ClosedAbsent
	case counts && refused == "" && c.doubt != "named":
	default:
		return payment.StateUnresolved, ""
	}
	switch {
	case refused == payment.ClassDeclined:
		return payment.StateDeclined, closed
	case refused == "" && c.deferred:
		return payment.StateScheduled, closed
	}
	return payment.StateFailed, closed
}

func (c asked) check(t *testing.T) {
	now := noon.Add(time.Hour)
	p := unresolvedWith(t, map[string]payment.Doubt{
		"answered": answered, "named": named, "lingers": lost(now.Add(-late + 1)),
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
	l := record(r, p, c.found, at(now))
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
		require.Equal(t, closed == "", got.Doubt.Any(), "a doubt lasts until the key is closed")
	}
	for _, k := range d.Keys {
		require.Equal(t, closed, k.Closed)
		require.Equal(t, closed != "", !k.ClosedAt.IsZero())
		if closed == "" && (state == payment.StateFailed || state == payment.StateScheduled) {
			require.Equal(t, now.Add(late), k.DueAt, "the second look")
		} else {
			require.True(t, k.DueAt.IsZero())
		}
	}
	if state == payment.StateFailed || state == payment.StateScheduled || state == payment.StateDeclined {
		require.Len(t, d.Keys, 1)
	}
	switch state {
	case payment.StateUnresolved:
		require.Equal(t, p.DueAt, got.DueAt, "as the claim of the lookup has put it off")
		require.Equal(t, p.Lookups, got.Lookups)
		require.NotEmpty(t, got.Reason)
		require.Nil(t, d.Event)
	case payment.StateScheduled:
		require.Equal(t, now.Add(10*time.Minute), got.DueAt)
		require.Equal(t, 1, got.DeferredRetries)
		require.Equal(t, payment.EventScheduled, d.Event.Kind)
	case payment.StateDeclined, payment.StateFailed, payment.StateSucceeded, payment.StateProcessing:
		require.Equal(t, payment.EventReconciled, d.Event.Kind)
	}

	again, err := l.Apply(got, now.Add(time.Second))
	require.NoError(t, err, "the answer to the first was lost")
	want := got
	want.UpdatedAt = again.Payment.UpdatedAt
	if state == payment.StateSucceeded {
		require.Equal(t, payment.VerdictReplay, again.Verdict)
	}
	require.Equal(t, want, again.Payment, "twice is once")
	require.Nil(t, again.Event)
}

// A second look counts only at a distance, and only if no attempt came between.
func TestASecondLook(t *testing.T) {
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
		"the database stepped on": {
			payment.Instant{DB: now.Add(-time.Hour), Worker: now.Add(-1)},
			2, "",
			payment.Instant{DB: now.Add(-time.Hour), Worker: now.Add(-1)},
		},
		"the worker stepped on": {
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
			p := unresolvedWith(t, answered)
			require.Equal(t, 2, p.Attempt.Number)
			p.Keys = []payment.Key{{
				Key: "key-1", Look: test.first, Attempts: test.attempts, Refusal: payment.Refusal{Class: payment.ClassDeclined},
			}}
			d, err := record(rules(), p, payment.FoundNothing, at(now)).Apply(p, now)
			require.NoError(t, err)
			require.Equal(t, test.want, d.Keys[0].Closed)
			require.Equal(t, test.look, d.Keys[0].Look)
		})
	}
}

// The lookup that ends a round: its own last answer counts too.
func TestALookupEndsARound(t *testing.T) {
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
			p := opened(t)
			if test.before != "" {
				p = renewed(t, p, test.before, noon)
			}
			l := record(rules(), p, test.found, at(now))
			l.End, l.Last = ended(of(test.last)), of(test.last)
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
			require.Equal(t, d.Payment, again.Payment, "twice is once")
		})
	}
}

// A decline that came while an attempt was unknown ends the payment once the key is closed.
func TestARefusalEndsThePaymentWhenTheKeyIsClosed(t *testing.T) {
	t.Parallel()
	p := renewed(t, opened(t), payment.ClassUnknownAnswered, noon)
	l := record(rules(), p, payment.FoundNothing, at(noon.Add(2*time.Second)))
	l.End, l.Last = ended(of(payment.ClassDeclined)), payment.Result{Class: payment.ClassDeclined, Code: "no"}
	d, err := l.Apply(p, noon.Add(2*time.Second))
	require.NoError(t, err)
	require.Equal(t, payment.StateUnresolved, d.Payment.State)

	lookups := 0
	for p = d.Payment; p.State == payment.StateUnresolved; lookups++ {
		now := p.DueAt
		p = pickUp(terms(), p, now).Payment
		d, err = record(rules(), p, payment.FoundNothing, at(now)).Apply(p, now)
		require.NoError(t, err)
		p = d.Payment
	}
	require.Equal(t, payment.StateDeclined, p.State)
	require.Equal(t, "no", p.Code)
	require.Greater(t, lookups, 1)
	require.GreaterOrEqual(t, p.UpdatedAt.Sub(noon), late)
	require.Equal(t, payment.VerdictClaimed, decide(ask(t, "key-2"), p, p.UpdatedAt).Verdict)
}

// A decline that is on record, and whose worker was lost before it could look the key up, counts when
// the key may not be sent again: one look does not end the payment.
func TestARefusalOutlivesItsWorker(t *testing.T) {
	t.Parallel()
	for name, strikes := range map[string]int{"an expired key": 0, "set aside": payment.MaxLostWorkers} {
		p := renewed(t, opened(t), payment.ClassUnknownAnswered, noon)
		p.Attempt.StartedAt, p.LostWorkers = noon, strikes
		r := payment.Renewal{ClaimRef: p.ClaimRef(), End: *ended(of(payment.ClassDeclined)), Worker: noon, Lease: lease}
		d, err := r.Apply(p, noon)
		require.NoError(t, err, name)

		on, now := terms(), noon.Add(time.Hour)
		if strikes == 0 {
			d.Payment.KeyLifetime = time.Minute
			on.Rules.LookupForgets = false
		}
		d = pickUp(on, d.Payment, now)
		require.Equal(t, payment.StateUnresolved, d.Payment.State, name)
		p = d.Payment
		l := record(on.Rules, p, payment.FoundNothing, at(now.Add(late)))
		d, err = l.Apply(p, now.Add(late))
		require.NoError(t, err, name)
		require.Equal(t, payment.StateUnresolved, d.Payment.State, name)
	}
}

// Anything but a charge counts only if nothing has happened to the payment since it was read.
func TestALookupIsFenced(t *testing.T) {
	t.Parallel()
	now := noon.Add(time.Hour)
	held := unresolvedWith(t, answered)
	for name, change := range map[string]func(*payment.Payment){
		"claimed by another":   func(p *payment.Payment) { *p = decide(ask(t, "key-2"), *p, now).Payment },
		"looked up by another": func(p *payment.Payment) { p.Fence++ },
		"an attempt began":     func(p *payment.Payment) { p.Attempt.Number++ },
		"resolved by a person": func(p *payment.Payment) {
			d, err := apply(resolution(payment.Outcome{State: payment.StateFailed, Reason: "no"}), *p, now)
			require.NoError(t, err)
			*p = d.Payment
		},
	} {
		p := held
		change(&p)
		for _, found := range allFindings {
			d, err := record(rules(), held, found, at(now)).Apply(p, now)
			if found != payment.FoundApproved {
				require.ErrorIs(t, err, payment.ErrFenced, name)
				require.Equal(t, payment.Decision{}, d)
				continue
			}
			require.NoError(t, err, name)
			require.Equal(t, payment.VerdictEvidence, d.Verdict, name)
			require.Equal(t, payment.StateSucceeded, d.Payment.State, name)
			require.Equal(t, "txn-7", d.Payment.TransactionID)
		}
	}
}

// secondLook is a payment that one lookup made failed, and the record of its key.
func secondLook(t *testing.T) (payment.Payment, time.Time) {
	t.Helper()
	now := noon.Add(time.Hour)
	p := unresolvedWith(t, answered)
	d, err := record(rules(), p, payment.FoundNothing, at(now)).Apply(p, now)
	require.NoError(t, err)
	require.Equal(t, payment.StateFailed, d.Payment.State)
	return d.Payment, now.Add(late)
}

// The second look of a failed payment: due after late, and it closes the key, or finds the charge.
func TestTheSecondLookOfAFailedPayment(t *testing.T) {
	t.Parallel()
	p, due := secondLook(t)
	require.Equal(t, payment.VerdictNotDue, pickUpKey(terms(), p, "key-1", due.Add(-1)).Verdict)
	require.Equal(t, payment.VerdictNotDue, pickUpKey(terms(), p, "key-9", due).Verdict)
	d := pickUpKey(terms(), p, "key-1", due)
	require.Equal(t, payment.VerdictLookUp, d.Verdict)
	require.Equal(t, payment.GatewayKey("key-1"), d.LookUp)
	require.False(t, d.Write)
	require.Equal(t, due.Add(10*time.Second), d.Keys[0].DueAt, "the next, if this one is lost")
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
		l := record(rules(), p, found, at(due))
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
		require.Equal(t, got, again.Payment, "twice is once: %s", found)
		require.False(t, again.Write, found)
	}
}

// A claim that comes between makes the second look void; the key must be closed anew.
func TestAClaimEndsTheProof(t *testing.T) {
	t.Parallel()
	failed, due := secondLook(t)
	failed = pickUpKey(terms(), failed, "key-1", due).Payment
	p := decide(ask(t, "key-2"), failed, due).Payment
	require.Equal(t, payment.GatewayKey("key-1"), p.GatewayKey)
	require.True(t, p.Keys[0].Look.IsZero())
	require.True(t, p.Keys[0].DueAt.IsZero())
	_, err := record(rules(), failed, payment.FoundNothing, at(due)).Apply(p, due)
	require.ErrorIs(t, err, payment.ErrFenced)
	require.True(t, p.Doubt.Any(), "the doubt of the round before is not covered by any closure")
}

// A key's own due time never touches a payment that a worker holds, or held: the takeover comes first.
func TestALookupOfAKeyLeavesAClaimAlone(t *testing.T) {
	t.Parallel()
	p := opened(t)
	p.Keys = []payment.Key{{Key: "key-1", DueAt: noon, WatchUntil: noon.Add(time.Hour)}}
	for _, now := range []time.Time{noon, noon.Add(lease), noon.Add(time.Hour)} {
		d := pickUpKey(terms(), p, "key-1", now)
		require.Equal(t, payment.VerdictWritten, d.Verdict)
		require.Equal(t, now.Add(5*time.Second), d.Keys[0].DueAt)
	}
	held := in(t, payment.StateFailed)
	held.Fence, held.Attempt = p.Fence, p.Attempt // read before its claim, as no store would have it
	l := record(rules(), held, payment.FoundNothing, at(noon.Add(time.Hour)))
	d, err := l.Apply(p, noon.Add(time.Hour))
	require.NoError(t, err)
	require.False(t, d.Write)
	require.Equal(t, p.Attempt, d.Payment.Attempt, "an attempt under way is not forgotten")
	require.Equal(t, payment.StateProcessing, d.Payment.State)
}

func TestPickUpKey(t *testing.T) {
	t.Parallel()
	const week = 7 * 24 * time.Hour
	now := noon.Add(time.Hour)
	tests := map[string]struct {
		state payment.State
		key   payment.Key
		want  payment.Verdict
		due   time.Time
	}{
		"not due":              {payment.StateFailed, payment.Key{DueAt: now.Add(1)}, payment.VerdictNotDue, now.Add(1)},
		"never due":            {payment.StateFailed, payment.Key{}, payment.VerdictNotDue, time.Time{}},
		"due":                  {payment.StateFailed, payment.Key{DueAt: now}, payment.VerdictLookUp, now.Add(10 * time.Second)},
		"due too far ahead":    {payment.StateFailed, payment.Key{DueAt: now.Add(week)}, payment.VerdictLookUp, now.Add(10 * time.Second)},
		"scheduled meanwhile":  {payment.StateScheduled, payment.Key{DueAt: now}, payment.VerdictLookUp, now.Add(10 * time.Second)},
		"the charge is known":  {payment.StateSucceeded, payment.Key{DueAt: now}, payment.VerdictWritten, time.Time{}},
		"left, and succeeded":  {payment.StateSucceeded, payment.Key{Key: "key-0", DueAt: now}, payment.VerdictLookUp, now.Add(10 * time.Second)},
		"unresolved":           {payment.StateUnresolved, payment.Key{DueAt: now}, payment.VerdictWritten, time.Time{}},
		"closed":               {payment.StateFailed, payment.Key{DueAt: now, Closed: payment.ClosedAbsent}, payment.VerdictWritten, time.Time{}},
		"closed, and watched":  {payment.StateFailed, payment.Key{DueAt: now, Closed: payment.ClosedPerson, WatchUntil: now.Add(1)}, payment.VerdictLookUp, now.Add(10 * time.Second)},
		"watched for so long":  {payment.StateFailed, payment.Key{DueAt: now, Closed: payment.ClosedPerson, WatchUntil: now}, payment.VerdictWritten, time.Time{}},
		"left, being charged":  {payment.StateProcessing, payment.Key{Key: "key-0", DueAt: now}, payment.VerdictLookUp, now.Add(10 * time.Second)},
		"the longest interval": {payment.StateFailed, payment.Key{DueAt: now, Lookups: 50}, payment.VerdictLookUp, now.Add(15 * time.Minute)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := in(t, test.state)
			if test.key.Key == "" {
				test.key.Key = "key-1"
			}
			p.Keys = []payment.Key{test.key}
			d := pickUpKey(terms(), p, test.key.Key, now)
			require.Equal(t, test.want, d.Verdict)
			require.Equal(t, test.due, d.Payment.Keys[0].DueAt)
			require.Equal(t, test.want == payment.VerdictLookUp, d.LookUp == test.key.Key)
		})
	}
}

// Moments of a key that lie in a clock's future are repaired when it is picked up.
func TestPickUpKeyRepairsClocks(t *testing.T) {
	t.Parallel()
	p, due := secondLook(t)
	now := due.Add(-2 * time.Hour) // the database's clock has stepped back
	p.Keys[0].DueAt = now
	on := terms()
	on.Worker = due
	d := on.PickUpKey(p, "key-1", now)
	require.Equal(t, payment.VerdictLookUp, d.Verdict)
	require.Equal(t, payment.Instant{DB: now, Worker: due.Add(-late)}, d.Keys[0].Look)
	require.True(t, d.Write)
	require.Equal(t, now, d.Payment.KeySent.DB)
	require.Equal(t, now, d.Payment.Doubt.Latest.DB)
}

// A gateway that names a charge contradicts every closure of its key.
func TestAClosureDoesNotSurviveACharge(t *testing.T) {
	t.Parallel()
	now := noon.Add(2 * time.Hour)
	for _, found := range []payment.LookupResult{payment.FoundProcessing, payment.FoundPending} {
		for _, state := range []payment.State{payment.StateFailed, payment.StateDeclined} {
			p := in(t, state)
			p.Keys = []payment.Key{{
				Key: "key-1", Closed: payment.ClosedPerson, ClosedAt: noon, DueAt: now, WatchUntil: now.Add(time.Hour),
			}}
			p = pickUpKey(terms(), p, "key-1", now).Payment
			d, err := record(rules(), p, found, at(now)).Apply(p, now)
			require.NoError(t, err)
			require.Empty(t, d.Keys[0].Closed)
			require.True(t, d.Payment.Doubt.Any())
			require.Equal(t, payment.GatewayKey("key-1"), decide(ask(t, "key-2"), d.Payment, now).Payment.GatewayKey)
		}
	}
}
