package portstest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// nextDueAhead is NextDue, with and without a look at what is due too far ahead.
func (r *repository) nextDueAhead(policy payment.PickUpPolicy) (plain, ahead time.Duration) {
	r.t.Helper()
	plain, found, err := r.NextDue(r.t.Context(), policy)
	require.NoError(r.t, err)
	require.True(r.t, found, policy.Work)
	policy.Ahead = true
	ahead, found, err = r.NextDue(r.t.Context(), policy)
	require.NoError(r.t, err)
	require.True(r.t, found, policy.Work)
	return plain, ahead
}

// keyFarAhead is a failed payment whose second look is due a hundred times as late as settings permit.
func (r *repository) keyFarAhead(id payment.OrderID) {
	r.t.Helper()
	l := lookup(r.claimedForLookup(id), payment.FoundNothing)
	l.Rules.Late = 100 * liveLease
	r.record(l, payment.VerdictWritten)
}

// findsFarFutures has one piece of work of each kind, and one of another gateway whose key is sure.
func findsFarFutures(r *repository) {
	r.keyFarAhead("order-key")
	policy := r.pickUpPolicy(payment.WorkLookups)
	plain, ahead := r.nextDueAhead(policy)
	require.Greater(r.t, plain, 3*liveLease)
	require.Zero(r.t, ahead)
	policy.Rules.Gateway, policy.Ahead = "https://other.example", true
	_, found, err := r.NextDue(r.t.Context(), policy)
	require.NoError(r.t, err)
	require.False(r.t, found, "the key is another gateway's")

	sure := r.inState(payment.StateProcessing, "order-sure")
	r.settle(sure, resultFor(payment.StateScheduled), payment.Outcome{State: payment.StateScheduled, DueIn: 100 * liveLease})
	for _, gateway := range []payment.GatewayID{rules().Gateway, "https://other.example"} {
		policy := r.pickUpPolicy(payment.WorkCharges)
		policy.Rules.Gateway = gateway
		plain, ahead = r.nextDueAhead(policy)
		require.Greater(r.t, plain, 3*liveLease)
		require.Zero(r.t, ahead, "the payment has no doubt that holds it at its gateway")
	}

	a := r.claimRequest("order-held")
	a.Lease = 100 * liveLease
	r.claim(a, payment.VerdictClaimed)
	plain, ahead = r.nextDueAhead(r.pickUpPolicy(payment.WorkTakeovers))
	require.Greater(r.t, plain, 3*liveLease)
	require.Zero(r.t, ahead)
}

func looksUpFarFutures(r *repository) {
	r.keyFarAhead("order-1")
	due := r.pickUp(r.pickUpPolicy(payment.WorkLookups), 10)
	require.Len(r.t, due, 1)
	require.NotEmpty(r.t, due[0].LookUp)
	require.Empty(r.t, r.pickUp(r.pickUpPolicy(payment.WorkLookups), 10))
	plain, ahead := r.nextDueAhead(r.pickUpPolicy(payment.WorkLookups))
	require.InDelta(r.t, plain, ahead, float64(waitLimit))
	require.Less(r.t, ahead, 3*liveLease)
	require.Positive(r.t, ahead)
}

// postponesFarFutures: a lookup whose payment cannot be read is not due again at once.
func postponesFarFutures(t *testing.T, s Stored) {
	t.Helper()
	r := &repository{Payments: s.Payments, t: t}
	r.keyFarAhead("order-1")
	s.Execute(t, "UPDATE payments SET currency = 'ZZZ'")
	require.Empty(t, r.pickUp(r.pickUpPolicy(payment.WorkLookups), 10))
	plain, ahead := r.nextDueAhead(r.pickUpPolicy(payment.WorkLookups))
	require.Positive(t, ahead)
	require.InDelta(t, plain, ahead, float64(waitLimit))
}
