package payment_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

const first, second = payment.GatewayID("first"), payment.GatewayID("second")

// routeRules are those of two gateways, which every payment tries in the order first, second.
func routeRules(t testing.TB, change func(*payment.Capabilities)) payment.KeyRules {
	t.Helper()
	r := rules()
	r.Gateways = nil
	var known []payment.RouteGateway
	for _, id := range []payment.GatewayID{first, second} {
		c := r.Capabilities
		c.Gateway = id
		change(&c)
		r.Gateways = append(r.Gateways, c)
		known = append(known, payment.RouteGateway{ID: id, NeedsMethod: c.NeedsMethod})
	}
	r.Capabilities = r.Gateways[0]
	routes, err := payment.NewRoutes(known, []payment.Route{{Use: []payment.GatewayID{first, second}}})
	require.NoError(t, err)
	r.Routes = routes
	return r
}

func noChange(*payment.Capabilities) {}

// sendCase is one case of a request for a failed payment whose key was sent to the first gateway.
type sendCase struct {
	repeat                                       payment.Repeat
	doubtful, expired, configured, available, up bool
}

// May the key be sent again, and may another gateway be tried: for every combination of what a gateway's
// repeats get, and of whether the key is in doubt or expired, its gateway configured and available, and the
// second gateway available.
func TestClaim_ByCapabilities_SendsAgainOrMoves(t *testing.T) {
	t.Parallel()
	for _, repeat := range repeats {
		for n := range 1 << 5 {
			c := sendCase{repeat, n&1 > 0, n&2 > 0, n&4 > 0, n&8 > 0, n&16 > 0}
			t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) { t.Parallel(); c.check(t) })
		}
	}
}

func (c sendCase) check(t *testing.T) {
	a := claimRequest(t, "key-2")
	a.Rules = routeRules(t, func(can *payment.Capabilities) { can.Repeat = c.repeat })
	p := open(a, noon)
	p.State, p.GatewayKey, p.DueAt = payment.StateFailed, "key-1", time.Time{}
	if c.doubtful {
		p.Doubt = answered
	}
	if !c.configured {
		p.Gateway = "gone"
	}
	if !c.available {
		a.Rules.Unavailable = append(a.Rules.Unavailable, first)
	}
	if !c.up {
		a.Rules.Unavailable = append(a.Rules.Unavailable, second)
	}
	now := noon.Add(time.Hour)
	if c.expired {
		now = noon.Add(24 * time.Hour)
	}
	d := decide(a, p, now)
	verdict, key, gateway := c.want()
	require.Equal(t, verdict, d.Verdict)
	require.Equal(t, key, d.Payment.GatewayKey)
	require.Equal(t, gateway, d.Payment.Gateway)
	if gateway == p.Gateway || verdict != payment.VerdictClaimed {
		return
	}
	require.Len(t, d.Keys, 1, "the key that the payment leaves is recorded")
	require.Equal(t, payment.ClosedNotCharged, d.Keys[0].Closed)
	require.Equal(t, p.Gateway, d.Keys[0].Gateway)
}

// want returns the verdict, and the key and its gateway after the claim, by docs/double-charge.md.
func (c sendCase) want() (payment.Verdict, payment.GatewayKey, payment.GatewayID) {
	own := first
	if !c.configured {
		own = "gone"
	}
	switch {
	case c.doubtful && !c.configured:
		return payment.VerdictForeign, "key-1", own
	case c.doubtful && (c.expired || c.repeat == payment.RepeatCharges):
		return payment.VerdictLookUp, "key-1", own
	case c.doubtful:
		return payment.VerdictClaimed, "key-1", own // whichever gateway is available
	case !c.available && c.up:
		return payment.VerdictClaimed, "key-2", second
	case !c.configured, c.expired, c.repeat == payment.RepeatFirstAnswer:
		return payment.VerdictClaimed, "key-2", first
	}
	return payment.VerdictClaimed, "key-1", first
}

// May another gateway be tried after a round: only if its last attempt provably did not charge, the key is not
// in doubt, and a later gateway of the route is available.
func TestNextGateway_EveryCombination(t *testing.T) {
	t.Parallel()
	r := routeRules(t, noChange)
	for _, class := range allClasses {
		for _, doubt := range []payment.Doubt{noDoubt, answered, named, unanswered} {
			for _, gateway := range []payment.GatewayID{first, second, "gone"} {
				for _, unavailable := range [][]payment.GatewayID{nil, {first}, {second}} {
					p := claimedPayment(t)
					p.Gateway, r.Unavailable = gateway, unavailable
					id, ok := p.NextGateway(r, resultOf(class), doubt)
					want := class == payment.ClassNotCharged && doubt == noDoubt && gateway == first && !slices.Contains(unavailable, second)
					require.Equal(t, want, ok, "%s, %+v, at %s without %v", class, doubt, gateway, unavailable)
					if ok {
						require.Equal(t, second, id)
					}
				}
			}
		}
	}
}

// Does absence prove anything, for every combination of what a lookup of the gateway proves: the first lookup that
// counts is recorded, and one that does not changes nothing.
func TestLookup_ByCapabilities_AbsenceCounts(t *testing.T) {
	t.Parallel()
	for n := range 1 << 5 {
		for _, repeat := range repeats {
			for _, found := range []payment.LookupResult{payment.FoundNothing, payment.FoundDeclined} {
				absenceCase{
					looksUp: n&1 > 0, forgets: n&2 > 0, over: n&4 > 0, lags: n&8 > 0, saves: n&16 > 0,
					repeat: repeat, found: found,
				}.check(t)
			}
		}
	}
}

// absenceCase is what a lookup of a gateway proves. over: the key's lifetime is over; lags: the attempt is younger
// than the lag of lookups.
type absenceCase struct {
	looksUp, forgets, over, lags, saves bool
	repeat                              payment.Repeat
	found                               payment.LookupResult
}

func (c absenceCase) check(t *testing.T) {
	t.Helper()
	r, now := rules(), noon.Add(time.Hour)
	r.LooksUp, r.LookupForgets, r.SavesDeclines, r.Repeat = c.looksUp, c.forgets, c.saves, c.repeat
	if c.over {
		now = noon.Add(25 * time.Hour)
	}
	p := unresolvedPayment(t, doubtAnswered(now.Add(-time.Second)))
	if c.lags {
		r.LookupLag = 10 * time.Second
	}
	d, err := lookupRecord(r, p, c.found, at(now)).Apply(p, now)
	require.NoError(t, err)
	declined, forgotten := c.found == payment.FoundDeclined && c.saves, c.forgets && c.over
	counts := c.looksUp && !forgotten && !c.lags
	want := payment.StateUnresolved // where absence counts, only the second lookup ends it
	switch {
	case declined:
		want = payment.StateDeclined
	case counts && c.repeat != payment.RepeatCharges:
		want = payment.StateFailed
	}
	require.Equal(t, want, d.Payment.State, "%+v", c)
	if !declined {
		require.Equal(t, counts, len(d.Keys) == 1 && d.Keys[0].Look == at(now), "%+v", c)
	}
	person := !declined && c.looksUp && forgotten
	require.Equal(t, person, d.Payment.Reason == payment.ReasonForgotten && c.looksUp, "%+v", c)
}

// A pending payment is a person's turn, and reported as unresolved, once the lookup may have forgotten its key.
func TestLookup_PendingForgotten_IsUnresolved(t *testing.T) {
	t.Parallel()
	for _, forgets := range []bool{false, true} {
		p := inState(t, payment.StatePending)
		r, now := rules(), noon.Add(25*time.Hour)
		r.LookupForgets = forgets
		d, err := lookupRecord(r, p, payment.FoundNothing, at(now)).Apply(p, now)
		require.NoError(t, err)
		want := payment.StatePending
		if forgets {
			want = payment.StateUnresolved
		}
		require.Equal(t, want, d.Payment.State)
		require.Equal(t, forgets, d.Payment.Reason == payment.ReasonForgotten)
		require.True(t, d.Payment.Doubt.Named)
	}
}

// A renewal with a failover gives the payment the next gateway, a key of its own there, and all retries.
func TestRenewal_Failover(t *testing.T) {
	t.Parallel()
	a := claimRequest(t, "key-1")
	a.Rules = routeRules(t, func(c *payment.Capabilities) { c.ReturnURL = "https://shop.example/" + string(c.Gateway) })
	a.Method = "pm_1"
	p := open(a, noon)
	p.Retries = 3
	now := noon.Add(8 * time.Second)
	d, err := apply(payment.Renewal{
		ClaimRef: p.ClaimRef(), End: *attemptEnd(resultOf(payment.ClassNotCharged)), Lease: lease,
		Failover: &payment.Failover{Rules: a.Rules, NewKey: "key-2"},
	}, p, now)
	require.NoError(t, err)
	got := d.Payment
	require.Equal(t, second, got.Gateway)
	require.Equal(t, payment.GatewayKey("key-2"), got.GatewayKey)
	require.Equal(t, "https://shop.example/second", got.ReturnURL)
	require.Equal(t, payment.PaymentMethod("pm_1"), got.Method)
	require.Equal(t, at(now), got.KeySent)
	require.Zero(t, got.Retries)
	require.Equal(t, payment.Attempt{Number: 2, Fence: 1, Replica: "replica-a", GatewayKey: "key-2", StartedAt: now}, got.Attempt)
	require.Equal(t, payment.ClassNotCharged, d.PriorAttempt.Class)
	require.Equal(t, payment.EventFailedOver, d.Event.Kind)
	require.Equal(t, now.Add(lease), got.DueAt)
}

// A round that the queue continues stays at its gateway unless that is not available; a new round begins at the
// preferred one.
func TestPickUp_ContinuedRound_StaysAtItsGateway(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		retries     int
		unavailable []payment.GatewayID
		want        payment.GatewayID
		left        int
	}{
		{0, nil, first, 0}, {1, nil, second, 1}, {1, []payment.GatewayID{second}, first, 0}, {2, []payment.GatewayID{first}, second, 2},
	} {
		on := pickUpPolicy()
		on.Rules = routeRules(t, noChange)
		on.Rules.Unavailable = c.unavailable
		on.NewKey = func() payment.GatewayKey { return "key-9" }
		p := inState(t, payment.StateScheduled)
		p.Gateway, p.Retries = second, c.retries
		d := pickUp(on, p, p.DueAt)
		require.Equal(t, payment.VerdictClaimed, d.Verdict)
		require.Equal(t, c.want, d.Payment.Gateway, "%+v", c)
		require.Equal(t, c.left, d.Payment.Retries, "%+v", c)
	}
}
