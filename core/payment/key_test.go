package payment_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// The key with which a payment is claimed, for every combination of what decides it.
func TestClaim_ChoosesKey(t *testing.T) {
	t.Parallel()
	bools := []bool{false, true}
	for _, state := range payment.States() {
		if state == payment.StatePending {
			continue // it is looked up, or cancelled: TestClaim_Pending
		}
		for _, doubtful := range bools {
			for _, foreign := range bools {
				for _, expired := range bools {
					for _, repeat := range repeats {
						c := keyCase{state, doubtful, foreign, expired, repeat}
						t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) { t.Parallel(); c.check(t) })
					}
				}
			}
		}
	}
}

type keyCase struct {
	state                      payment.State
	doubtful, foreign, expired bool
	repeat                     payment.Repeat
}

func (c keyCase) check(t *testing.T) {
	p, a := inState(t, c.state), claimRequest(t, "key-2")
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
	a.Rules.Repeat = c.repeat
	d := decide(a, p, now)
	doubtful := c.doubtful || c.state == payment.StateProcessing // whose worker is lost
	switch {
	case c.state.Approved():
		require.Equal(t, payment.VerdictReplay, d.Verdict)
	case c.state == payment.StateVoided:
		require.Equal(t, payment.VerdictVoided, d.Verdict)
	case doubtful:
		c.checkDoubtful(t, p, d)
	default:
		c.checkClosed(t, d, now)
	}
	if d.Payment.State == payment.StateProcessing && d.Write {
		require.Equal(t, d.Payment.GatewayKey, d.Payment.Attempt.GatewayKey)
	}
	c.checkDeferred(t, a, p, now)
}

// checkDoubtful is for a claim while the key is in doubt.
func (c keyCase) checkDoubtful(t *testing.T, p payment.Payment, d payment.Decision) {
	t.Helper()
	switch {
	case c.foreign:
		require.Equal(t, payment.VerdictForeign, d.Verdict)
		requireUnchanged(t, p, d)
	case c.expired || c.repeat == payment.RepeatCharges || c.state == payment.StateDeclined:
		require.Equal(t, payment.VerdictLookUp, d.Verdict)
		require.Equal(t, payment.StateUnresolved, d.Payment.State)
		require.Equal(t, payment.GatewayKey("key-1"), d.Payment.GatewayKey)
		require.Empty(t, d.Payment.Code)
		require.Equal(t, p.Fence+1, d.Payment.Fence)
		require.Equal(t, c.state != payment.StateUnresolved, d.Event != nil && d.Event.Kind == payment.EventUnsendable)
	default:
		requireKeyKept(t, d)
		require.True(t, d.Payment.Doubt.Any())
	}
}

// checkClosed is for a claim while the key is closed, or was not sent.
func (c keyCase) checkClosed(t *testing.T, d payment.Decision, now time.Time) {
	t.Helper()
	require.False(t, d.Payment.Doubt.Any())
	if c.state != payment.StateDeclined && !c.foreign && !c.expired && c.repeat != payment.RepeatFirstAnswer {
		requireKeyKept(t, d)
		return
	}
	require.Equal(t, payment.VerdictClaimed, d.Verdict)
	require.Equal(t, payment.GatewayKey("key-2"), d.Payment.GatewayKey)
	require.Equal(t, rules().Gateway, d.Payment.Gateway)
	require.Equal(t, at(now), d.Payment.KeySent, "a new key is as old as its claim")
}

func requireKeyKept(t *testing.T, d payment.Decision) {
	t.Helper()
	require.Equal(t, payment.VerdictClaimed, d.Verdict)
	require.Equal(t, payment.GatewayKey("key-1"), d.Payment.GatewayKey)
	require.Equal(t, at(noon), d.Payment.KeySent, "a key ages from the first claim that sent it")
}

// checkDeferred is for a deferred request, which replaces no key but a declined one.
func (c keyCase) checkDeferred(t *testing.T, a payment.ClaimRequest, p payment.Payment, now time.Time) {
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
	if c.foreign && !p.State.Approved() && p.State != payment.StateVoided && (p.Doubt.Any() || p.State == payment.StateProcessing) {
		require.Equal(t, payment.VerdictForeign, d.Verdict)
	}
}

// A repeat with the key of a voided charge would get that charge again, so the order gets a new key.
func TestClaim_ReplacesVoidedKey(t *testing.T) {
	t.Parallel()
	p := unresolvedPayment(t, named)
	d, err := lookupRecord(rules(), p, payment.FoundVoided, at(noon.Add(time.Hour))).Apply(p, noon.Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, payment.StateFailed, d.Payment.State)
	require.Equal(t, payment.ClosedVoided, d.Keys[0].Closed)
	require.Equal(t, payment.GatewayKey("key-2"), decide(claimRequest(t, "key-2"), d.Payment, noon.Add(2*time.Hour)).Payment.GatewayKey)
}

// A claim that may send a closed key undoes the closure in the same decision.
func TestClaim_ReopensKey(t *testing.T) {
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
		"closed by an operator": {
			payment.Key{Closed: payment.ClosedPerson, ClosedAt: noon, DueAt: noon.Add(time.Hour), WatchUntil: watched},
			payment.Key{DueAt: noon.Add(time.Hour), WatchUntil: watched},
		},
		"looked up once": {payment.Key{Look: at(noon), Attempts: 1, DueAt: noon.Add(late)}, payment.Key{}},
		"refused, and not closed": {
			payment.Key{Look: at(noon), Refusal: payment.Refusal{Class: payment.ClassDeclined}},
			payment.Key{Refusal: payment.Refusal{Class: payment.ClassDeclined}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := inState(t, payment.StateFailed)
			test.before.Key, test.after.Key = "key-1", "key-1"
			p.Keys = []payment.Key{test.before}
			d := decide(claimRequest(t, "key-2"), p, noon.Add(time.Minute))
			require.Equal(t, payment.VerdictClaimed, d.Verdict)
			require.Equal(t, []payment.Key{test.after}, d.Keys)
			require.Equal(t, []payment.Key{test.after}, d.Payment.Keys)
			require.Equal(t, test.before, p.Keys[0], "what was read is not changed")
		})
	}
	p := inState(t, payment.StateFailed)
	require.Empty(t, decide(claimRequest(t, "key-2"), p, noon.Add(time.Minute)).Keys, "most payments have no record")
}

// The key is as old as the payment, and one lookup proves nothing.
func TestUpgraded_RowOfPreviousVersion(t *testing.T) {
	t.Parallel()
	old := func(state payment.State) payment.Payment {
		p := inState(t, state)
		p.Gateway, p.KeySent, p.KeyLifetime, p.Doubt = "", payment.Instant{}, 0, noDoubt
		return p
	}
	for _, state := range payment.States() {
		p := old(state)
		got := p.Upgraded()
		require.Equal(t, payment.Instant{DB: noon}, got.KeySent, state)
		require.Equal(t, state == payment.StateUnresolved, got.Doubt.Any(), state)
	}
	require.True(t, scheduledPayment(t).Upgraded().KeySent.IsZero(), "it was not sent")
	failed := old(payment.StateFailed)
	failed.Reason = "the gateway has no charge with this gateway key"
	failed = failed.Upgraded()
	require.True(t, failed.Doubt.Any(), "it rests on one lookup")

	d := decide(claimRequest(t, "key-2"), failed, noon.Add(time.Hour))
	require.Equal(t, payment.VerdictClaimed, d.Verdict)
	require.Equal(t, payment.GatewayKey("key-1"), d.Payment.GatewayKey)
	require.Equal(t, rules().Gateway, d.Payment.Gateway, "it is recorded now")
	require.Equal(t, payment.VerdictLookUp, decide(claimRequest(t, "key-2"), failed, noon.Add(25*time.Hour)).Verdict)

	sent := old(payment.StateProcessing)
	require.True(t, sent.SentUnrecorded())
	require.False(t, claimedPayment(t).SentUnrecorded())
	fresh := scheduledPayment(t)
	require.False(t, fresh.SentUnrecorded())
	fresh.Doubt = answered
	require.True(t, fresh.SentUnrecorded())
}

func TestForeign_OpenKeyOfAnotherGateway(t *testing.T) {
	t.Parallel()
	for _, state := range payment.States() {
		p := inState(t, state)
		elsewhere := rules()
		elsewhere.Gateway = "https://other.example"
		require.False(t, p.Foreign(rules()), state)
		want := state == payment.StateProcessing || state == payment.StateAuthorized || inDoubt(state)
		require.Equal(t, want, p.Foreign(elsewhere), state)
		p.Gateway = ""
		require.False(t, p.Foreign(elsewhere), state)
	}
	p := inState(t, payment.StateUnresolved)
	on := pickUpPolicy()
	on.Rules.Gateway = "https://other.example"
	requireUnchanged(t, p, pickUp(on, p, p.DueAt))
}

func TestOtherOpenKey_ByState(t *testing.T) {
	t.Parallel()
	for _, state := range payment.States() {
		p := inState(t, state)
		key, open := p.OtherOpenKey("key-2")
		require.Equal(t, payment.GatewayKey("key-1"), key)
		require.Equal(t, state == payment.StateProcessing || inDoubt(state), open, state)
		_, open = p.OtherOpenKey("key-1")
		require.False(t, open, state)
		p.Doubt = answered
		_, open = p.OtherOpenKey("key-2")
		require.Equal(t, !state.Approved(), open, state)
	}
}
