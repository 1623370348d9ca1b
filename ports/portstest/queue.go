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
		{"queue/an empty one has nothing due", func(r *repository) {
			require.Empty(r.t, r.pickUpAll(10))
			_, found := r.nextDue()
			require.False(r.t, found)
		}},
		{"queue/what is due is claimed and the rest is left alone", picksUp},
		{"queue/the longest due comes first and no more than the limit", func(r *repository) {
			since := []time.Duration{3 * time.Minute, time.Minute, 5 * time.Minute, 2 * time.Minute, 4 * time.Minute}
			for i, d := range since {
				r.dueSince(payment.OrderID(fmt.Sprintf("order-%d", i)), d)
			}
			for _, want := range [][]payment.OrderID{{"order-2", "order-4"}, {"order-0", "order-3"}, {"order-1"}, {}} {
				due := make([]payment.OrderID, 0, 2)
				for _, d := range r.pickUp(r.terms(payment.WorkCharges), 2) {
					due = append(due, d.Payment.OrderID)
				}
				require.Equal(r.t, want, due)
			}
		}},
		{"queue/no payment goes to two workers", sharesOut},
		{"queue/workers and requests do not hinder each other", sharesWithRequests},
		{"queue/a payment over which workers fall silent is set aside", setsAside},
		{"queue/an unresolved payment stays so while it is looked up", looksUp},
		{"queue/the next due time is known without waiting for it", knowsNextDue},
		{"queue/the backlog is counted by state", countsBacklog},
	}
}

// dueSince schedules an order that has been due for so long; negative: that will be.
func (r *repository) dueSince(id payment.OrderID, since time.Duration) payment.Payment {
	r.t.Helper()
	p := r.in(payment.StateProcessing, id)
	return r.settle(p, transient, payment.Outcome{State: payment.StateScheduled, DueIn: -since})
}

func picksUp(r *repository) {
	for _, state := range []payment.State{
		payment.StateProcessing, payment.StateSucceeded, payment.StateDeclined, payment.StateFailed,
	} {
		r.in(state, payment.OrderID("order-"+state))
	}
	r.dueSince("order-not-yet", -live)
	before := map[payment.OrderID]payment.Payment{
		"order-accepted": r.in(payment.StateScheduled, "order-accepted"),
		"order-due":      r.dueSince("order-due", time.Minute),
		"order-stuck":    r.in(payment.StateUnresolved, "order-stuck"),
	}
	a := r.ask("order-silent")
	a.Lease = dead
	before["order-silent"] = r.claim(a, payment.VerdictClaimed)

	terms, due := r.terms(""), []payment.Decision(nil)
	for _, terms.Work = range works() {
		due = append(due, r.pickUp(terms, 100)...)
	}
	require.Len(r.t, due, len(before))
	for _, d := range due {
		p, known := before[d.Payment.OrderID]
		require.True(r.t, known, "%s was not due", d.Payment.OrderID)
		requireSame(r.t, terms.PickUp(p, d.Payment.SeenAt).Payment, d.Payment)
		requireSame(r.t, d.Payment, r.find(p.OrderID))
		require.Equal(r.t, p.GatewayKey, d.Payment.GatewayKey)
		requireGapless(r.t, r.history(p.OrderID))
	}
	require.Empty(r.t, r.pickUpAll(100), "all of it is claimed")
}

// sharesOut lets workers race for a backlog.
func sharesOut(r *repository) {
	const backlog, workers = 40, 6
	for i := range backlog {
		r.in(payment.StateScheduled, payment.OrderID(fmt.Sprintf("order-%02d", i)))
	}
	var (
		all  sync.WaitGroup
		won  = make(chan payment.OrderID, 2*backlog)
		errs = make(chan error, workers)
	)
	for range workers {
		all.Go(func() {
			for {
				due, err := r.ClaimDue(r.t.Context(), r.terms(payment.WorkCharges), 3)
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

func setsAside(r *repository) {
	r.in(payment.StateScheduled, "order-1")
	terms := r.terms(payment.WorkCharges)
	terms.Lease = dead
	for strikes := range payment.MaxLostWorkers + 1 {
		due := r.pickUp(terms, 1)
		terms.Work = payment.WorkTakeovers
		require.Len(r.t, due, 1)
		require.Equal(r.t, payment.VerdictClaimed, due[0].Verdict)
		require.Equal(r.t, strikes, due[0].Payment.LostWorkers)
	}
	due := r.pickUp(terms, 1)
	require.Len(r.t, due, 1)
	require.Equal(r.t, payment.VerdictQuarantined, due[0].Verdict)
	require.Empty(r.t, r.pickUp(terms, 1), "it is put off")

	h := r.history("order-1")
	requireSame(r.t, due[0].Payment, h.Payment)
	require.Equal(r.t, payment.StateUnresolved, h.Payment.State)
	require.Equal(r.t, payment.EventQuarantined, h.Events[len(h.Events)-1].Kind)
	require.Len(r.t, h.Attempts, payment.MaxLostWorkers+1)
	requireGapless(r.t, h)
}

func looksUp(r *repository) {
	before := r.in(payment.StateUnresolved, "order-1")
	due := r.pickUp(r.terms(payment.WorkLookups), 1)
	require.Len(r.t, due, 1)
	require.Equal(r.t, payment.VerdictLookUp, due[0].Verdict)
	held := due[0].Payment
	require.Equal(r.t, payment.StateUnresolved, held.State)
	require.Equal(r.t, 1, held.Lookups)
	require.Equal(r.t, before.Fence+1, held.Fence)
	requireSame(r.t, held, r.find("order-1"))

	// The one who asked holds no one up: a request goes on, and the answer comes too late.
	p := r.claim(r.ask("order-1"), payment.VerdictClaimed)
	require.Equal(r.t, held.GatewayKey, p.GatewayKey)
	_, _, err := r.RecordLookup(r.t.Context(), lookup(held, payment.FoundNothing))
	require.ErrorIs(r.t, err, payment.ErrFenced)

	// Without a claim in between, the answer settles it.
	r.settle(p, resultFor(payment.StateUnresolved), outcomeFor(payment.StateUnresolved))
	due = r.pickUp(r.terms(payment.WorkLookups), 1)
	require.Len(r.t, due, 1)
	r.record(lookup(due[0].Payment, payment.FoundVoided), payment.VerdictWritten)
	h := r.history("order-1")
	require.Equal(r.t, payment.StateFailed, h.Payment.State)
	require.Contains(r.t, kinds(h.Events), payment.EventReconciled)
	requireGapless(r.t, h)
}

// sharesWithRequests lets workers and requests race for the same orders.
func sharesWithRequests(r *repository) {
	const n = 16
	for i := range n {
		r.in(payment.StateScheduled, payment.OrderID(fmt.Sprintf("order-%d", i)))
	}
	var (
		mu    sync.Mutex
		won   = make(map[payment.OrderID]int)
		count = func(id payment.OrderID) { mu.Lock(); won[id]++; mu.Unlock() }
		errs  = make(chan error, 2*n)
	)
	for i := range n {
		a := r.ask(payment.OrderID(fmt.Sprintf("order-%d", i)))
		go func() {
			_, verdict, err := r.Claim(r.t.Context(), a)
			if verdict == payment.VerdictClaimed {
				count(a.OrderID)
			}
			errs <- err
		}()
		go func() {
			due, err := r.ClaimDue(r.t.Context(), r.terms(payment.WorkCharges), 3)
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

// knowsNextDue goes from nothing due to something due by and by to something due now.
func knowsNextDue(r *repository) {
	r.in(payment.StateSucceeded, "order-done")
	_, found := r.nextDue()
	require.False(r.t, found, "nothing is left to do for it")

	r.dueSince("order-late", -2*live)
	r.in(payment.StateProcessing, "order-held")
	in, found := r.nextDue()
	require.True(r.t, found)
	require.Greater(r.t, in, live/2)
	require.LessOrEqual(r.t, in, live, "the end of the lease comes first")

	r.dueSince("order-due", time.Minute)
	in, found = r.nextDue()
	require.True(r.t, found)
	require.Zero(r.t, in)
}

// countsBacklog looks at payments of every state, some of them due.
func countsBacklog(r *repository) {
	none, err := r.Backlog(r.t.Context())
	require.NoError(r.t, err)
	require.Empty(r.t, none)

	for _, state := range payment.States() {
		r.in(state, payment.OrderID("order-"+state))
	}
	r.dueSince("order-later", -live)
	r.dueSince("order-late", time.Hour)
	a := r.ask("order-silent")
	a.Lease = dead
	r.claim(a, payment.VerdictClaimed)

	backlog := make(map[payment.State]ports.Backlog)
	all, err := r.Backlog(r.t.Context())
	require.NoError(r.t, err)
	for _, b := range all {
		require.NotContains(r.t, backlog, b.State)
		require.GreaterOrEqual(r.t, b.Oldest, time.Duration(0))
		require.Less(r.t, b.Oldest, patience)
		require.GreaterOrEqual(r.t, b.LongestDue, time.Duration(0))
		backlog[b.State] = b
	}
	require.Len(r.t, backlog, 3, "what has ended is no backlog: %v", all)
	counts := func(s payment.State) [2]int { return [2]int{backlog[s].Payments, backlog[s].Due} }
	require.Equal(r.t, [2]int{2, 1}, counts(payment.StateProcessing), "one claim is alive")
	require.Equal(r.t, [2]int{3, 2}, counts(payment.StateScheduled), "one waits for its time")
	require.Equal(r.t, [2]int{1, 1}, counts(payment.StateUnresolved))
	require.GreaterOrEqual(r.t, backlog[payment.StateScheduled].LongestDue, time.Hour)
	require.Less(r.t, backlog[payment.StateScheduled].LongestDue, time.Hour+patience)
	require.Less(r.t, backlog[payment.StateProcessing].LongestDue, patience)
}
