package payment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func TestKeyRules_ClaimedAndDue(t *testing.T) {
	t.Parallel()
	r := rules()
	p := claimedPayment(t)
	require.True(t, r.Claimed(p, noon))
	require.True(t, r.Claimed(p, noon.Add(lease-1)))
	require.False(t, r.Claimed(p, noon.Add(lease)))
	p.DueAt = noon.Add(r.MaxLease)
	require.True(t, r.Claimed(p, noon))
	p.DueAt = noon.Add(r.MaxLease + 1)
	require.False(t, r.Claimed(p, noon), "a lease never ends so late: the clock has stepped back")
	r.MaxLease = 0
	require.True(t, r.Claimed(p, noon), "without a limit")

	for state, limit := range map[payment.State]time.Duration{
		payment.StateProcessing: rules().MaxLease, payment.StateScheduled: rules().MaxDelay,
		payment.StateUnresolved: rules().MaxLookup,
	} {
		p := inState(t, state)
		p.DueAt = noon.Add(limit)
		require.Equal(t, payment.VerdictNotDue, pickUp(pickUpPolicy(), p, noon).Verdict, state)
		p.DueAt = noon.Add(limit + 1)
		require.NotEqual(t, payment.VerdictNotDue, pickUp(pickUpPolicy(), p, noon).Verdict, state)
	}
	require.Equal(t, rules().MaxLease, payment.PickUpPolicy{Work: payment.WorkTakeovers, Rules: rules()}.DueWithin())
	require.Equal(t, rules().MaxLookup, payment.PickUpPolicy{Work: payment.WorkLookups, Rules: rules()}.DueWithin())
}

// A key expires so early that an attempt and a late charge fit into its lifetime.
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
		"young":                 {at(noon), day, at(noon.Add(limit)), false},
		"old":                   {at(noon), day, at(noon.Add(limit + 1)), true},
		"old by one clock":      {at(noon), day, payment.Instant{DB: noon, Worker: noon.Add(limit + 1)}, true},
		"old by the other":      {at(noon), day, payment.Instant{DB: noon.Add(limit + 1), Worker: noon.Add(-day)}, true},
		"for ever":              {at(noon), 0, at(noon.Add(100 * day)), false},
		"stored lifetime":       {at(noon), 2 * day, at(noon.Add(limit + 1)), false},
		"never sent":            {payment.Instant{}, day, at(noon.Add(100 * day)), false},
		"previous version":      {payment.Instant{DB: noon}, 0, at(noon.Add(limit + 1)), true},
		"previous version, new": {payment.Instant{DB: noon}, 0, at(noon.Add(limit)), false},
		"shorter than allowed":  {at(noon), r.Timeout, at(noon), true},
	}
	for name, test := range tests {
		require.Equal(t, test.want, r.Expired(test.sent, test.lifetime, test.now), name)
	}
	r.KeyLifetime = 0
	require.False(t, r.Expired(payment.Instant{DB: noon}, day, at(noon.Add(100*day))), "today's lifetime, for a key that the previous version sent")
}

// A lookup that found nothing counts if no attempt may still arrive, the lag is over and the gateway still
// remembers the key.
func TestKeyRules_AbsenceCounts(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	tests := map[string]struct {
		doubt  payment.Doubt
		change func(*payment.KeyRules)
		sent   payment.Instant
		want   bool
	}{
		"all were answered":          {answered, nil, at(noon), true},
		"(a) one may arrive":         {unanswered, nil, at(noon.Add(late - 1)), false},
		"(a) none may":               {unanswered, nil, at(noon.Add(late)), true},
		"(a) database steps forward": {unanswered, nil, payment.Instant{DB: noon.Add(day / 2), Worker: noon.Add(1)}, false},
		"(a) worker steps forward":   {unanswered, nil, payment.Instant{DB: noon.Add(1), Worker: noon.Add(day / 2)}, false},
		"(b) within the lag":         {answered, lagging, at(noon.Add(2*time.Second - 1)), false},
		"(b) after the lag":          {answered, lagging, at(noon.Add(2 * time.Second)), true},
		"(b) by both clocks":         {answered, lagging, payment.Instant{DB: noon.Add(time.Hour), Worker: noon.Add(time.Second)}, false},
		"(b) without a lag":          {answered, nil, at(noon.Add(-time.Millisecond)), true},
		"(c) the key lives":          {answered, nil, at(noon.Add(day - 1)), true},
		"(c) the key is forgotten":   {answered, nil, at(noon.Add(day)), false},
		"(c) by one clock":           {answered, nil, payment.Instant{DB: noon.Add(day), Worker: noon.Add(time.Hour)}, false},
		"(c) lookups remember keys":  {answered, remembering, at(noon.Add(100 * day)), true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rules()
			if test.change != nil {
				test.change(&r)
			}
			p := unresolvedPayment(t, test.doubt)
			d, err := lookupRecord(r, p, payment.FoundNothing, test.sent).Apply(p, test.sent.DB)
			require.NoError(t, err)
			require.Equal(t, test.want, d.Payment.State == payment.StateFailed)
			require.Equal(t, test.want, len(d.Keys) == 1 && d.Keys[0].Look == test.sent)
		})
	}
}

func lagging(r *payment.KeyRules) { r.LookupLag = 2 * time.Second }

func remembering(r *payment.KeyRules) { r.LookupForgets = false }
