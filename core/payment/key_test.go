package payment_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func TestKeyRules_ClaimedAndDue(t *testing.T) {
	t.Parallel()
	r := rules()
	p := opened(t)
	require.True(t, r.Claimed(p, noon))
	require.True(t, r.Claimed(p, noon.Add(lease-1)))
	require.False(t, r.Claimed(p, noon.Add(lease)))
	p.DueAt = noon.Add(r.MaxLease)
	require.True(t, r.Claimed(p, noon))
	p.DueAt = noon.Add(r.MaxLease + 1)
	require.False(t, r.Claimed(p, noon), "no lease ends so late: the clock has stepped back")
	r.MaxLease = 0
	require.True(t, r.Claimed(p, noon), "without a limit")

	for state, limit := range map[payment.State]time.Duration{
		payment.StateProcessing: rules().MaxLease, payment.StateScheduled: rules().MaxDelay,
		payment.StateUnresolved: rules().MaxLookup,
	} {
		p := in(t, state)
		p.DueAt = noon.Add(limit)
		require.Equal(t, payment.VerdictNotDue, pickUp(terms(), p, noon).Verdict, state)
		p.DueAt = noon.Add(limit + 1)
		require.NotEqual(t, payment.VerdictNotDue, pickUp(terms(), p, noon).Verdict, state)
	}
	require.Equal(t, rules().MaxLease, payment.PickUpPolicy{Work: payment.WorkTakeovers, Rules: rules()}.DueWithin())
	require.Equal(t, rules().MaxLookup, payment.PickUpPolicy{Work: payment.WorkLookups, Rules: rules()}.DueWithin())
}

// A key is too old before the gateway may have forgotten it: an attempt and a late charge must fit.
func TestKeyRules_Expired(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	r := rules()
	limit := day - r.Timeout - r.Late
	tests := map[string]struct {
		sent     payment.Instant
		lifetime time.Duration
		now      payment.Instant
		want     bool
	}{
		"young":                {at(noon), day, at(noon.Add(limit)), false},
		"old":                  {at(noon), day, at(noon.Add(limit + 1)), true},
		"old by one clock":     {at(noon), day, payment.Instant{DB: noon, Worker: noon.Add(limit + 1)}, true},
		"old by the other":     {at(noon), day, payment.Instant{DB: noon.Add(limit + 1), Worker: noon.Add(-day)}, true},
		"for ever":             {at(noon), 0, at(noon.Add(100 * day)), false},
		"as it was stored":     {at(noon), 2 * day, at(noon.Add(limit + 1)), false},
		"never sent":           {payment.Instant{}, day, at(noon.Add(100 * day)), false},
		"version before":       {payment.Instant{DB: noon}, 0, at(noon.Add(limit + 1)), true},
		"version before, new":  {payment.Instant{DB: noon}, 0, at(noon.Add(limit)), false},
		"shorter than allowed": {at(noon), r.Timeout, at(noon), true},
	}
	for name, test := range tests {
		require.Equal(t, test.want, r.Expired(test.sent, test.lifetime, test.now), name)
	}
	r.KeyLifetime = 0
	require.False(t, r.Expired(payment.Instant{DB: noon}, day, at(noon.Add(100*day))), "today's, of the version before")
}

// When a lookup's "nothing" counts: no attempt may still arrive, the lag is over, and the key is known.
func TestKeyRules_AbsenceCounts(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	tests := map[string]struct {
		doubt  payment.Doubt
		change func(*payment.KeyRules)
		sent   payment.Instant
		want   bool
	}{
		"each was answered":         {answered, nil, at(noon), true},
		"(a) one may arrive":        {unanswered, nil, at(noon.Add(late - 1)), false},
		"(a) none may":              {unanswered, nil, at(noon.Add(late)), true},
		"(a) the database steps on": {unanswered, nil, payment.Instant{DB: noon.Add(day / 2), Worker: noon.Add(1)}, false},
		"(a) the worker steps on":   {unanswered, nil, payment.Instant{DB: noon.Add(1), Worker: noon.Add(day / 2)}, false},
		"(b) within the lag":        {answered, lagging, at(noon.Add(2*time.Second - 1)), false},
		"(b) after the lag":         {answered, lagging, at(noon.Add(2 * time.Second)), true},
		"(b) by both clocks":        {answered, lagging, payment.Instant{DB: noon.Add(time.Hour), Worker: noon.Add(time.Second)}, false},
		"(b) without a lag":         {answered, nil, at(noon.Add(-time.Millisecond)), true},
		"(c) the key lives":         {answered, nil, at(noon.Add(day - 1)), true},
		"(c) the key is forgotten":  {answered, nil, at(noon.Add(day)), false},
		"(c) by one clock":          {answered, nil, payment.Instant{DB: noon.Add(day), Worker: noon.Add(time.Hour)}, false},
		"(c) lookups do not forget": {answered, remembering, at(noon.Add(100 * day)), true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rules()
			if test.change != nil {
				test.change(&r)
			}
			p := unresolvedWith(t, test.doubt)
			d, err := record(r, p, payment.FoundNothing, test.sent).Apply(p, test.sent.DB)
			require.NoError(t, err)
			require.Equal(t, test.want, d.Payment.State == payment.StateFailed)
			require.Equal(t, test.want, len(d.Keys) == 1 && d.Keys[0].Look == test.sent)
		})
	}
}

func lagging(r *payment.KeyRules)     { r.LookupLag = 2 * time.Second }
func remembering(r *payment.KeyRules) { r.LookupForgets = false }

// unresolvedWith is a payment whose key was sent at noon, with a doubt, and that is looked up.
func unresolvedWith(t *testing.T, doubt payment.Doubt) payment.Payment {
	t.Helper()
	p := in(t, payment.StateUnresolved)
	p.Doubt = doubt
	p = pickUp(terms(), p, p.DueAt).Payment
	p.Doubt = doubt
	return p
}

// record is the answer to a lookup of the payment's key, which was sent at a moment and answered at once.
func record(r payment.KeyRules, p payment.Payment, found payment.LookupResult, sent payment.Instant) payment.LookupRecord {
	return payment.LookupRecord{
		ClaimRef: p.ClaimRef(), Key: p.GatewayKey, Replica: "replica-q", Rules: r, Sent: sent, Worker: sent.Worker,
		Result: payment.Lookup{Result: found, TransactionID: "txn-7", Code: "code", Message: "message"},
	}
}

// With which key a payment goes on, for every combination of what decides it.
func TestAClaimChoosesTheKey(t *testing.T) {
	t.Parallel()
	bools := []bool{false, true}
	for _, state := range payment.States() {
		for _, doubtful := range bools {
			for _, foreign := range bools {
				for _, expired := range bools {
					for _, savesErrors := range bools {
						for _, honours := range bools {
							c := choice{state, doubtful, foreign, expired, savesErrors, honours}
							t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) { t.Parallel(); c.check(t) })
						}
					}
				}
			}
		}
	}
}

type choice struct {
	state                                               payment.State
	doubtful, foreign, expired, savesErrors, honoursKey bool
}

func (c choice) check(t *testing.T) {
	p, a := in(t, c.state), ask(t, "key-2")
	p.Doubt = noDoubt
	if c.doubtful {
		p.Doubt = answered
	}
	if c.foreign {
		p.Gateway = "https://other.example"
	}
	now := noon.Add(time.Hour)
	if c.expired {
		now = noon.Add(24 * time.Hour)
	}
	a.Rules.SavesErrors, a.Rules.HonoursKeys = c.savesErrors, c.honoursKey
	d := decide(a, p, now)
	doubtful := c.doubtful || c.state == payment.StateProcessing // whose attempt is interrupted
	switch {
	case c.state == payment.StateSucceeded:
		require.Equal(t, payment.VerdictReplay, d.Verdict)
	case doubtful && c.foreign:
		require.Equal(t, payment.VerdictForeign, d.Verdict)
		requireUntouched(t, p, d)
	case doubtful && (c.expired || !c.honoursKey || c.state == payment.StateDeclined):
		require.Equal(t, payment.VerdictLookUp, d.Verdict)
		require.Equal(t, payment.StateUnresolved, d.Payment.State)
		require.Equal(t, payment.GatewayKey("key-1"), d.Payment.GatewayKey)
		require.Empty(t, d.Payment.Code)
		require.Equal(t, p.Fence+1, d.Payment.Fence)
		require.Equal(t, c.state != payment.StateUnresolved, d.Event != nil && d.Event.Kind == payment.EventUnsendable)
	case !doubtful && (c.state == payment.StateDeclined || c.foreign || c.expired || c.savesErrors):
		require.Equal(t, payment.VerdictClaimed, d.Verdict)
		require.Equal(t, payment.GatewayKey("key-2"), d.Payment.GatewayKey)
		require.Equal(t, a.Rules.Gateway, d.Payment.Gateway)
		require.Equal(t, at(now), d.Payment.KeySent, "a new key is as old as its claim")
		require.False(t, d.Payment.Doubt.Any())
	default:
		require.Equal(t, payment.VerdictClaimed, d.Verdict)
		require.Equal(t, payment.GatewayKey("key-1"), d.Payment.GatewayKey)
		require.Equal(t, at(noon), d.Payment.KeySent, "age counts from the first claim")
		require.Equal(t, doubtful, d.Payment.Doubt.Any())
	}
	if d.Payment.State == payment.StateProcessing && d.Write {
		require.Equal(t, d.Payment.GatewayKey, d.Payment.Attempt.GatewayKey)
	}
	c.checkLater(t, a, p, now)
}

// checkLater is for a request that only wants to be accepted: it settles nothing about the key.
func (c choice) checkLater(t *testing.T, a payment.ClaimRequest, p payment.Payment, now time.Time) {
	t.Helper()
	a.Deferred = true
	d := decide(a, p, now)
	require.NotEqual(t, payment.VerdictClaimed, d.Verdict)
	if d.Payment.GatewayKey != p.GatewayKey {
		require.Equal(t, payment.StateDeclined, p.State)
		require.False(t, p.Doubt.Any())
		require.True(t, d.Payment.KeySent.IsZero())
	}
	if d.Payment.GatewayKey == p.GatewayKey {
		require.Equal(t, p.Doubt, d.Payment.Doubt)
	}
	if c.foreign && p.State != payment.StateSucceeded && (p.Doubt.Any() || p.State == payment.StateProcessing) {
		require.Equal(t, payment.VerdictForeign, d.Verdict)
	}
}

// A key whose charge is voided answers a repeat with that charge for ever: the order gets a new one.
func TestAVoidedKeyIsReplaced(t *testing.T) {
	t.Parallel()
	p := unresolvedWith(t, named)
	d, err := record(rules(), p, payment.FoundVoided, at(noon.Add(time.Hour))).Apply(p, noon.Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, payment.StateFailed, d.Payment.State)
	require.Equal(t, payment.ClosedVoided, d.Keys[0].Closed)
	require.Equal(t, payment.GatewayKey("key-2"), decide(ask(t, "key-2"), d.Payment, noon.Add(2*time.Hour)).Payment.GatewayKey)
}

// A claim that may send under a closed key takes its closure back, in the same decision.
func TestAClaimReopensTheKey(t *testing.T) {
	t.Parallel()
	watched := noon.Add(7 * 24 * time.Hour)
	for name, test := range map[string]struct{ before, after payment.Key }{
		"closed by absence": {
			payment.Key{
				Closed: payment.ClosedAbsent, ClosedAt: noon, Look: at(noon), Attempts: 1, Lookups: 3,
				Refusal: payment.Refusal{Class: payment.ClassRejected}, Doubt: answered,
			},
			payment.Key{Lookups: 3, Doubt: answered},
		},
		"closed by a person": {
			payment.Key{Closed: payment.ClosedPerson, ClosedAt: noon, DueAt: noon.Add(time.Hour), WatchUntil: watched},
			payment.Key{DueAt: noon.Add(time.Hour), WatchUntil: watched},
		},
		"looked at once": {payment.Key{Look: at(noon), Attempts: 1, DueAt: noon.Add(late)}, payment.Key{}},
		"refused, and not closed": {
			payment.Key{Look: at(noon), Refusal: payment.Refusal{Class: payment.ClassDeclined}},
			payment.Key{Refusal: payment.Refusal{Class: payment.ClassDeclined}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := in(t, payment.StateFailed)
			test.before.Key, test.after.Key = "key-1", "key-1"
			p.Keys = []payment.Key{test.before}
			d := decide(ask(t, "key-2"), p, noon.Add(time.Minute))
			require.Equal(t, payment.VerdictClaimed, d.Verdict)
			require.Equal(t, []payment.Key{test.after}, d.Keys)
			require.Equal(t, []payment.Key{test.after}, d.Payment.Keys)
			require.Equal(t, test.before, p.Keys[0], "what was read is not changed")
		})
	}
	p := in(t, payment.StateFailed)
	require.Empty(t, decide(ask(t, "key-2"), p, noon.Add(time.Minute)).Keys, "most payments have no record")
}

// A row of the version before: its key is as old as the payment, and one lookup proves nothing.
func TestOfVersionBefore(t *testing.T) {
	t.Parallel()
	old := func(state payment.State) payment.Payment {
		p := in(t, state)
		p.Gateway, p.KeySent, p.KeyLifetime, p.Doubt = "", payment.Instant{}, 0, noDoubt
		return p
	}
	for _, state := range payment.States() {
		p := old(state)
		got := p.Upgraded()
		require.Equal(t, payment.Instant{DB: noon}, got.KeySent, state)
		require.Equal(t, state == payment.StateUnresolved, got.Doubt.Any(), state)
	}
	require.True(t, accepted(t).Upgraded().KeySent.IsZero(), "it was not sent")
	failed := old(payment.StateFailed)
	failed.Reason = "the gateway has no charge with this gateway key"
	failed = failed.Upgraded()
	require.True(t, failed.Doubt.Any(), "it rests on one lookup")

	d := decide(ask(t, "key-2"), failed, noon.Add(time.Hour))
	require.Equal(t, payment.VerdictClaimed, d.Verdict)
	require.Equal(t, payment.GatewayKey("key-1"), d.Payment.GatewayKey)
	require.Equal(t, rules().Gateway, d.Payment.Gateway, "from now on it is known")
	require.Equal(t, payment.VerdictLookUp, decide(ask(t, "key-2"), failed, noon.Add(25*time.Hour)).Verdict)

	sent := old(payment.StateProcessing)
	require.True(t, sent.SentUnrecorded())
	require.False(t, opened(t).SentUnrecorded())
	fresh := accepted(t)
	require.False(t, fresh.SentUnrecorded())
	fresh.Doubt = answered
	require.True(t, fresh.SentUnrecorded())
}

func TestForeign(t *testing.T) {
	t.Parallel()
	for _, state := range payment.States() {
		p := in(t, state)
		require.False(t, p.Foreign(rules().Gateway), state)
		want := state == payment.StateProcessing || state == payment.StateUnresolved
		require.Equal(t, want, p.Foreign("https://other.example"), state)
		p.Gateway = ""
		require.False(t, p.Foreign("https://other.example"), state)
	}
	p := in(t, payment.StateUnresolved)
	on := terms()
	on.Rules.Gateway = "https://other.example"
	requireUntouched(t, p, pickUp(on, p, p.DueAt))
}

// The attempt of a lost worker counts as sent at the end of its lease, whatever the clocks say.
func TestAnInterruptedAttemptMayBeginUntilTheLeaseEnds(t *testing.T) {
	t.Parallel()
	retried := renewed(t, opened(t), payment.ClassUnknownAnswered, noon) // the next begins a second later
	tests := map[string]struct {
		p    payment.Payment
		now  payment.Instant
		left time.Duration
	}{
		"over":                      {opened(t), at(noon.Add(lease)), 0},
		"long over":                 {opened(t), at(noon.Add(time.Hour)), 0},
		"cut short":                 {opened(t), at(noon.Add(time.Second)), lease - time.Second},
		"cut short in a backoff":    {retried, at(noon), time.Second + lease},
		"the database steps on":     {opened(t), payment.Instant{DB: noon.Add(time.Hour), Worker: noon.Add(time.Second)}, lease},
		"in a backoff, it steps on": {retried, payment.Instant{DB: noon.Add(time.Hour), Worker: noon}, lease + time.Second},
		"the database steps back":   {opened(t), payment.Instant{DB: noon.Add(-time.Hour), Worker: noon.Add(time.Hour)}, lease + 10*time.Second},
		"another worker's clock":    {opened(t), payment.Instant{DB: noon.Add(lease), Worker: noon.Add(5 * time.Minute)}, lease},
		"two clocks a little apart": {opened(t), payment.Instant{DB: noon.Add(lease), Worker: noon.Add(lease + time.Second)}, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, a := test.p, ask(t, "key-2")
			p.DueAt = test.now.DB // its replica is silent
			a.Worker = test.now.Worker
			d := a.Decide(p, test.now.DB)
			require.Equal(t, payment.VerdictClaimed, d.Verdict)
			until := payment.Instant{DB: test.now.DB.Add(test.left), Worker: test.now.Worker.Add(test.left)}
			require.Equal(t, until, d.Payment.Doubt.Unanswered)
		})
	}
}
