package portstest

import (
	"context"
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

// operationQueue is about due operations that are not charges, and what is counted of them.
func operationQueue() []clause {
	return []clause{
		{"queue/due refunds are claimed and others are not", claimsDueRefunds},
		{"queue/the longest due come first, refunds or not", ordersByDueTime},
		{"queue/each refund goes to one worker", givesEachRefundToOneWorker},
		{"queue/a refund with too many lost workers is quarantined", func(r *repository) {
			r.charged("order-1")
			p := r.refundInState(payment.StateScheduled, "order-1", "r-1", "25")
			policy := r.pickUpPolicy(payment.WorkCharges)
			policy.Lease = expiredLease
			for range payment.MaxLostWorkers + 1 {
				due := r.pickUp(policy, 1)
				policy.Work = payment.WorkTakeovers
				require.Len(r.t, due, 1)
				require.Equal(r.t, payment.VerdictClaimed, due[0].Verdict)
			}
			due := r.pickUp(policy, 1)
			require.Len(r.t, due, 1)
			require.Equal(r.t, payment.VerdictQuarantined, due[0].Verdict)
			h := r.operation(p.Ref())
			requireSame(r.t, due[0].Payment, h.Payment)
			require.Len(r.t, h.Attempts, payment.MaxLostWorkers+1)
			requireGapless(r.t, h)
			require.Equal(r.t, "25.00", r.reserved("order-1"), "the refund may have happened")
		}},
		{"queue/the next due time is also that of refunds", findsNextDueRefund},
		{"queue/refunds that are due too far ahead are due", claimsRefundsTooFarAhead},
		{"queue/the backlog is counted by kind", countsBacklogByKind},
		{"queue/refunds of another gateway are left alone and counted", countsForeignRefunds},
		{"release/the leases of the replica's refunds expire", func(r *repository) {
			r.heartbeat("replica-a")
			r.charged("order-1")
			first := r.refund("order-1", "r-1", "25") // by replica-a
			other := r.refundRequest("order-1", "r-2", "25")
			other.Replica = "replica-b"
			held := r.claim(other, payment.VerdictClaimed)
			stuck := r.refundInState(payment.StateUnresolved, "order-1", "r-3", "25")

			r.release()
			due := r.pickUp(r.pickUpPolicy(payment.WorkTakeovers), 10)
			require.Len(r.t, due, 1)
			require.Equal(r.t, first.Ref(), due[0].Payment.Ref())
			second := r.stored(first.Ref())
			require.Equal(r.t, first.Fence+1, second.Fence)
			require.True(r.t, second.Doubt.Any(), "its attempt may have refunded")
			requireSame(r.t, held, r.stored(held.Ref()))
			requireSame(r.t, stuck, r.stored(stuck.Ref()))
		}},
	}
}

// refundDueSince schedules a refund of order-1 that has been due for so long; a negative duration is in the future.
func (r *repository) refundDueSince(name string, since time.Duration) payment.Payment {
	r.t.Helper()
	p := r.refund("order-1", name, "1")
	return r.settle(p, answeredUnknown, payment.Outcome{State: payment.StateScheduled, DueIn: -since})
}

// refs returns what the decisions are about.
func refs(due []payment.Decision) []payment.Ref {
	found := make([]payment.Ref, 0, len(due))
	for _, d := range due {
		found = append(found, d.Payment.Ref())
	}
	return found
}

func claimsDueRefunds(r *repository) {
	for _, state := range []payment.State{payment.StateProcessing, payment.StateSucceeded, payment.StateDeclined, payment.StateFailed} {
		r.charged(payment.OrderID("order-" + state))
		r.refundInState(state, payment.OrderID("order-"+state), "r-1", "25")
	}
	r.charged("order-1")
	charge := r.history("order-1")
	r.refundDueSince("not-yet", -liveLease)
	before := map[string]payment.Payment{
		"accepted": r.refundInState(payment.StateScheduled, "order-1", "accepted", "1"),
		"due":      r.refundDueSince("due", time.Minute),
		"stuck":    r.refundInState(payment.StateUnresolved, "order-1", "stuck", "1"),
		"pending":  r.refundInState(payment.StatePending, "order-1", "pending", "1"),
	}
	a := r.refundRequest("order-1", "expired", "1")
	a.Lease = expiredLease
	before["expired"] = r.claim(a, payment.VerdictClaimed)

	count := 0
	for _, work := range append(allWork(), payment.WorkPending) {
		policy := r.pickUpPolicy(work)
		for _, d := range r.pickUp(policy, 100) {
			count++
			p, known := before[d.Payment.Operation.Name]
			require.True(r.t, known, "%s was not due", d.Payment.Operation)
			require.Equal(r.t, p.Ref(), d.Payment.Ref())
			requireSame(r.t, policy.PickUp(p, d.Payment.SeenAt).Payment, d.Payment)
			requireSame(r.t, d.Payment, r.stored(p.Ref()))
		}
	}
	require.Equal(r.t, len(before), count)
	require.Empty(r.t, r.pickUpAll(100), "all of it is claimed")
	require.Equal(r.t, "6.00", r.reserved("order-1"))
	requireGapless(r.t, r.history("order-1"))
	r.requireChargeAsBefore(charge)
}

// ordersByDueTime has charges and refunds that are due, in turns.
func ordersByDueTime(r *repository) {
	r.charged("order-1")
	r.dueSince("order-2", 5*time.Minute)
	r.refundDueSince("r-4", 4*time.Minute)
	r.refundDueSince("r-3", 3*time.Minute)
	r.dueSince("order-3", 2*time.Minute)
	r.refundDueSince("r-1", time.Minute)
	charge := func(id payment.OrderID) payment.Ref { return payment.Ref{OrderID: id} }
	for _, want := range [][]payment.Ref{
		{charge("order-2")},
		{refundRef("order-1", "r-4")},
		{refundRef("order-1", "r-3"), charge("order-3")},
		{refundRef("order-1", "r-1")},
		{},
	} {
		require.ElementsMatch(r.t, want, refs(r.pickUp(r.pickUpPolicy(payment.WorkCharges), max(1, len(want)))))
	}
}

func givesEachRefundToOneWorker(r *repository) {
	const backlog, workers = 24, 6
	r.charged("order-1")
	for i := range backlog {
		r.refundInState(payment.StateScheduled, "order-1", fmt.Sprintf("r-%02d", i), "1")
	}
	won := make(chan payment.Ref, 2*backlog)
	r.concurrently(workers, func(on ports.Payments, _ int) error {
		for empty := 0; empty < 3; { // a worker skips rows that are locked
			due, err := on.ClaimDue(r.t.Context(), r.pickUpPolicy(payment.WorkCharges), 3)
			if err != nil {
				return err
			}
			if len(due) == 0 {
				empty++
			}
			for _, ref := range refs(due) {
				won <- ref
			}
		}
		return nil
	})
	for _, d := range r.pickUp(r.pickUpPolicy(payment.WorkCharges), backlog) {
		won <- d.Payment.Ref()
	}
	close(won)
	owners := make(map[payment.Ref]int)
	for ref := range won {
		owners[ref]++
	}
	for ref, n := range owners {
		require.Equal(r.t, 1, n, "workers of %s", ref.Operation)
	}
	require.Len(r.t, owners, backlog)
	requireGapless(r.t, r.history("order-1"))
}

func findsNextDueRefund(r *repository) {
	r.charged("order-1")
	r.refundInState(payment.StateSucceeded, "order-1", "done", "1")
	_, found := r.nextDue()
	require.False(r.t, found, "a final refund is never due")

	r.refundDueSince("late", -2*liveLease)
	in, found := r.nextDue()
	require.True(r.t, found)
	require.Greater(r.t, in, liveLease)
	r.refund("order-1", "held", "1")
	in, _ = r.nextDue()
	require.Greater(r.t, in, liveLease/2)
	require.LessOrEqual(r.t, in, liveLease, "the end of the lease comes first")

	l := lookup(r.refundClaimedForLookup("order-1", "key", "1"), payment.FoundNothing)
	l.Rules.Late = 0
	r.record(l, payment.VerdictWritten)
	in, found, err := r.NextDue(r.t.Context(), r.pickUpPolicy(payment.WorkLookups))
	require.NoError(r.t, err)
	require.True(r.t, found)
	require.Zero(r.t, in, "the second lookup of a key is due")

	r.refundDueSince("due", time.Minute)
	in, found, err = r.NextDue(r.t.Context(), r.pickUpPolicy(payment.WorkCharges))
	require.NoError(r.t, err)
	require.True(r.t, found)
	require.Zero(r.t, in)
}

// claimsRefundsTooFarAhead sets due times that only a clock that has stepped back can have set.
func claimsRefundsTooFarAhead(r *repository) {
	r.charged("order-1")
	r.refundDueSince("scheduled", -100*liveLease)
	a := r.refundRequest("order-1", "held", "1")
	a.Lease = 100 * liveLease
	r.claim(a, payment.VerdictClaimed)
	l := lookup(r.refundClaimedForLookup("order-1", "key", "1"), payment.FoundNothing)
	l.Rules.Late = 100 * liveLease
	r.record(l, payment.VerdictWritten)
	for _, work := range []payment.Work{payment.WorkLookups, payment.WorkTakeovers, payment.WorkCharges} {
		plain, ahead := r.nextDueAhead(r.pickUpPolicy(work))
		require.Greater(r.t, plain, 3*liveLease, work)
		require.Zero(r.t, ahead, work)
		require.Len(r.t, r.pickUp(r.pickUpPolicy(work), 10), 1, work)
		require.Empty(r.t, r.pickUp(r.pickUpPolicy(work), 10), work) // the claim has set a near due time
	}
}

func countsBacklogByKind(r *repository) {
	r.inState(payment.StateUnresolved, "order-stuck")
	r.charged("order-1")
	for _, state := range operationStates() {
		r.refundInState(state, "order-1", string(state), "1")
	}
	r.refundDueSince("later", -liveLease)
	r.refundDueSince("late", time.Hour)

	type kindOf struct {
		kind  payment.Kind
		state payment.State
	}
	all, err := r.Backlog(r.t.Context())
	require.NoError(r.t, err)
	counts := make(map[kindOf][2]int)
	for _, b := range all {
		k := kindOf{b.Kind, b.State}
		require.NotContains(r.t, counts, k)
		require.GreaterOrEqual(r.t, b.Oldest, time.Duration(0))
		require.Less(r.t, b.Oldest, waitLimit)
		counts[k] = [2]int{b.Payments, b.Due}
		if k == (kindOf{payment.KindRefund, payment.StateScheduled}) {
			require.GreaterOrEqual(r.t, b.LongestDue, time.Hour)
			require.Less(r.t, b.LongestDue, time.Hour+waitLimit)
		}
	}
	require.Equal(r.t, map[kindOf][2]int{
		{payment.KindCharge, payment.StateUnresolved}: {1, 1},
		{payment.KindRefund, payment.StateProcessing}: {1, 0},
		{payment.KindRefund, payment.StateScheduled}:  {3, 2},
		{payment.KindRefund, payment.StateUnresolved}: {1, 1},
		{payment.KindRefund, payment.StatePending}:    {1, 1},
	}, counts)
}

func countsForeignRefunds(r *repository) {
	r.charged("order-1")
	r.refundDueSince("doubtful", time.Minute)
	l := lookup(r.refundClaimedForLookup("order-1", "key", "1"), payment.FoundNothing)
	l.Rules.Late = 0
	r.record(l, payment.VerdictWritten)
	r.refundInState(payment.StateUnresolved, "order-1", "stuck", "1")
	sure := r.refund("order-1", "sure", "1")
	r.settle(sure, resultFor(payment.StateScheduled), payment.Outcome{State: payment.StateScheduled})
	before := r.history("order-1")

	for gateway, want := range map[payment.GatewayID]int{rules().Gateway: 0, "https://other.example": 4} {
		n, err := r.CountForeign(r.t.Context(), []payment.GatewayID{gateway})
		require.NoError(r.t, err)
		require.Equal(r.t, want, n, gateway)
	}
	for _, work := range allWork() {
		policy := r.pickUpPolicy(work)
		policy.Rules.Gateway = "https://other.example"
		require.Empty(r.t, r.pickUp(policy, 10), "a refund never changes its gateway")
		_, found, err := r.NextDue(r.t.Context(), policy)
		require.NoError(r.t, err)
		require.False(r.t, found, work)
	}
	require.Equal(r.t, before, r.history("order-1"))
	require.Len(r.t, r.pickUpAll(10), 4, "those of this gateway were left alone")
}

// cancelled returns a context that has ended.
func cancelled(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}
