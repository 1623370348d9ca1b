package portstest

import (
	"fmt"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

func queue() []clause {
	return []clause{
		{"queue/nothing is due in an empty repository", func(r *repository) {
			require.Empty(r.t, r.pickUpAll(10))
			_, found := r.nextDue()
			require.False(r.t, found)
		}},
		{"queue/due payments are claimed and others are not", claimsDue},
		{"queue/the longest due come first, up to the limit", func(r *repository) {
			since := []time.Duration{3 * time.Minute, time.Minute, 5 * time.Minute, 2 * time.Minute, 4 * time.Minute}
			for i, d := range since {
				r.dueSince(payment.OrderID(fmt.Sprintf("order-%d", i)), d)
			}
			for _, want := range [][]payment.OrderID{{"order-2", "order-4"}, {"order-0", "order-3"}, {"order-1"}, {}} {
				due := make([]payment.OrderID, 0, 2)
				for _, d := range r.pickUp(r.pickUpPolicy(payment.WorkCharges), 2) {
					due = append(due, d.Payment.OrderID)
				}
				require.Equal(r.t, want, due)
			}
		}},
		{"queue/each payment goes to one worker", givesEachToOneWorker},
		{"queue/each payment goes to one worker or request", workersRaceRequests},
		{"queue/a payment with too many lost workers is quarantined", quarantines},
		{"queue/an unresolved payment stays unresolved during a lookup", claimsForLookup},
		{"queue/the next due time is returned", knowsNextDue},
		{"queue/the backlog is counted by state", countsBacklog},
	}
}

// dueSince schedules an order that has been due for so long; a negative duration is in the future.
func (r *repository) dueSince(id payment.OrderID, since time.Duration) payment.Payment {
	r.t.Helper()
	p := r.inState(payment.StateProcessing, id)
	return r.settle(p, answeredUnknown, payment.Outcome{State: payment.StateScheduled, DueIn: -since})
}

func claimsDue(r *repository) {
	for _, state := range []payment.State{
		payment.StateProcessing, payment.StateSucceeded, payment.StateDeclined, payment.StateFailed,
	} {
		r.inState(state, payment.OrderID("order-"+state))
	}
	r.dueSince("order-not-yet", -liveLease)
	before := map[payment.OrderID]payment.Payment{
		"order-accepted": r.inState(payment.StateScheduled, "order-accepted"),
		"order-due":      r.dueSince("order-due", time.Minute),
		"order-stuck":    r.inState(payment.StateUnresolved, "order-stuck"),
	}
	a := r.claimRequest("order-expired")
	a.Lease = expiredLease
	before["order-expired"] = r.claim(a, payment.VerdictClaimed)

	policy, due := r.pickUpPolicy(""), []payment.Decision(nil)
	for _, policy.Work = range allWork() {
		due = append(due, r.pickUp(policy, 100)...)
	}
	require.Len(r.t, due, len(before))
	for _, d := range due {
		p, known := before[d.Payment.OrderID]
		require.True(r.t, known, "%s was not due", d.Payment.OrderID)
		requireSame(r.t, policy.PickUp(p, d.Payment.SeenAt).Payment, d.Payment)
		requireSame(r.t, d.Payment, r.find(p.OrderID))
		require.Equal(r.t, p.GatewayKey, d.Payment.GatewayKey)
		requireGapless(r.t, r.history(p.OrderID))
	}
	require.Empty(r.t, r.pickUpAll(100), "all of it is claimed")
}

// givesEachToOneWorker lets workers race for a backlog.
func givesEachToOneWorker(r *repository) {
	const backlog, workers = 40, 6
	for i := range backlog {
		r.inState(payment.StateScheduled, payment.OrderID(fmt.Sprintf("order-%02d", i)))
	}
	var (
		all  sync.WaitGroup
		won  = make(chan payment.OrderID, 2*backlog)
		errs = make(chan error, workers)
	)
	for range workers {
		all.Go(func() {
			for {
				due, err := r.ClaimDue(r.t.Context(), r.pickUpPolicy(payment.WorkCharges), 3)
				if err != nil || len(due) == 0 {
					errs <- err
					return
				}
				for _, d := range due {
					won <- d.Payment.OrderID
				}
			}
		})
	}
	all.Wait()
	close(won)
	for range workers {
		require.NoError(r.t, <-errs)
	}
	owners := make(map[payment.OrderID]int)
	for id := range won {
		owners[id]++
	}
	for id, n := range owners {
		require.Equal(r.t, 1, n, "workers of %s", id)
	}
	require.Len(r.t, owners, backlog)
}

func quarantines(r *repository) {
	r.inState(payment.StateScheduled, "order-1")
	policy := r.pickUpPolicy(payment.WorkCharges)
	policy.Lease = expiredLease
	for lost := range payment.MaxLostWorkers + 1 {
		due := r.pickUp(policy, 1)
		policy.Work = payment.WorkTakeovers
		require.Len(r.t, due, 1)
		require.Equal(r.t, payment.VerdictClaimed, due[0].Verdict)
		require.Equal(r.t, lost, due[0].Payment.LostWorkers)
	}
	due := r.pickUp(policy, 1)
	require.Len(r.t, due, 1)
	require.Equal(r.t, payment.VerdictQuarantined, due[0].Verdict)
	require.Empty(r.t, r.pickUp(policy, 1), "the next lookup is later")

	h := r.history("order-1")
	requireSame(r.t, due[0].Payment, h.Payment)
	require.Equal(r.t, payment.StateUnresolved, h.Payment.State)
	require.Equal(r.t, payment.EventQuarantined, h.Events[len(h.Events)-1].Kind)
	require.Len(r.t, h.Attempts, payment.MaxLostWorkers+1)
	requireGapless(r.t, h)
}

func claimsForLookup(r *repository) {
	before := r.inState(payment.StateUnresolved, "order-1")
	due := r.pickUp(r.pickUpPolicy(payment.WorkLookups), 1)
	require.Len(r.t, due, 1)
	require.Equal(r.t, payment.VerdictLookUp, due[0].Verdict)
	held := due[0].Payment
	require.Equal(r.t, payment.StateUnresolved, held.State)
	require.Equal(r.t, 1, held.Lookups)
	require.Equal(r.t, before.Fence+1, held.Fence)
	requireSame(r.t, held, r.find("order-1"))

	// A lookup delays no request: the request claims the payment, and the answer is fenced.
	p := r.claim(r.claimRequest("order-1"), payment.VerdictClaimed)
	require.Equal(r.t, held.GatewayKey, p.GatewayKey)
	_, _, err := r.RecordLookup(r.t.Context(), lookup(held, payment.FoundNothing))
	require.ErrorIs(r.t, err, payment.ErrFenced)

	// Without a claim in between, the answer settles the payment.
	r.settle(p, resultFor(payment.StateUnresolved), outcomeFor(payment.StateUnresolved))
	due = r.pickUp(r.pickUpPolicy(payment.WorkLookups), 1)
	require.Len(r.t, due, 1)
	r.record(lookup(due[0].Payment, payment.FoundVoided), payment.VerdictWritten)
	h := r.history("order-1")
	require.Equal(r.t, payment.StateFailed, h.Payment.State)
	require.Contains(r.t, kinds(h.Events), payment.EventReconciled)
	requireGapless(r.t, h)
}

// workersRaceRequests lets workers and requests race for the same orders.
func workersRaceRequests(r *repository) {
	const n = 16
	for i := range n {
		r.inState(payment.StateScheduled, payment.OrderID(fmt.Sprintf("order-%d", i)))
	}
	var (
		mu    sync.Mutex
		won   = make(map[payment.OrderID]int)
		count = func(id payment.OrderID) { mu.Lock(); won[id]++; mu.Unlock() }
		errs  = make(chan error, 2*n)
	)
	for i := range n {
		a := r.claimRequest(payment.OrderID(fmt.Sprintf("order-%d", i)))
		go func() {
			_, verdict, err := r.Claim(r.t.Context(), a)
			if verdict == payment.VerdictClaimed {
				count(a.OrderID)
			}
			errs <- err
		}()
		go func() {
			due, err := r.ClaimDue(r.t.Context(), r.pickUpPolicy(payment.WorkCharges), 3)
			for _, d := range due {
				count(d.Payment.OrderID)
			}
			errs <- err
		}()
	}
	for range 2 * n {
		require.NoError(r.t, <-errs)
	}
	require.Len(r.t, won, n)
	for id, times := range won {
		require.Equal(r.t, 1, times, "claims of %s", id)
	}
}

// knowsNextDue has first nothing due, then payments that are due later, and then one that is due now.
func knowsNextDue(r *repository) {
	r.inState(payment.StateSucceeded, "order-done")
	_, found := r.nextDue()
	require.False(r.t, found, "a final payment is never due")

	r.dueSince("order-late", -2*liveLease)
	r.inState(payment.StateProcessing, "order-held")
	in, found := r.nextDue()
	require.True(r.t, found)
	require.Greater(r.t, in, liveLease/2)
	require.LessOrEqual(r.t, in, liveLease, "the end of the lease comes first")
	for within, want := range map[time.Duration]bool{liveLease / 2: false, 2 * liveLease: true} {
		policy := r.pickUpPolicy(payment.WorkTakeovers)
		policy.Within = within
		_, found, err := r.NextDue(r.t.Context(), policy)
		require.NoError(r.t, err)
		require.Equal(r.t, want, found, within)
	}

	r.dueSince("order-due", time.Minute)
	in, found = r.nextDue()
	require.True(r.t, found)
	require.Zero(r.t, in)
}

// countsBacklog counts payments of every state, some of them due.
func countsBacklog(r *repository) {
	none, err := r.Backlog(r.t.Context())
	require.NoError(r.t, err)
	require.Empty(r.t, none)

	for _, state := range payment.States() {
		r.inState(state, payment.OrderID("order-"+state))
	}
	r.dueSince("order-later", -liveLease)
	r.dueSince("order-late", time.Hour)
	a := r.claimRequest("order-expired")
	a.Lease = expiredLease
	r.claim(a, payment.VerdictClaimed)

	backlog := make(map[payment.State]ports.Backlog)
	all, err := r.Backlog(r.t.Context())
	require.NoError(r.t, err)
	for _, b := range all {
		require.NotContains(r.t, backlog, b.State)
		require.GreaterOrEqual(r.t, b.Oldest, time.Duration(0))
		require.Less(r.t, b.Oldest, waitLimit)
		require.GreaterOrEqual(r.t, b.LongestDue, time.Duration(0))
		backlog[b.State] = b
	}
	require.Len(r.t, backlog, 5, "final payments are no backlog: %v", all)
	counts := func(s payment.State) [2]int { return [2]int{backlog[s].Payments, backlog[s].Due} }
	require.Equal(r.t, [2]int{2, 1}, counts(payment.StateProcessing), "one claim is live")
	require.Equal(r.t, [2]int{3, 2}, counts(payment.StateScheduled), "one is not due yet")
	require.Equal(r.t, [2]int{1, 1}, counts(payment.StateUnresolved))
	require.Equal(r.t, [2]int{1, 1}, counts(payment.StatePending))
	require.Equal(r.t, [2]int{1, 0}, counts(payment.StateAuthorized), "looked up once a day")
	require.GreaterOrEqual(r.t, backlog[payment.StateScheduled].LongestDue, time.Hour)
	require.Less(r.t, backlog[payment.StateScheduled].LongestDue, time.Hour+waitLimit)
	require.Less(r.t, backlog[payment.StateProcessing].LongestDue, waitLimit)
}
