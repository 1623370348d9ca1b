package portstest

import (
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func claims() []clause {
	return []clause{
		{"claim/a new order is claimed", func(r *repository) {
			a := r.claimRequest("order-1")
			p := r.claim(a, payment.VerdictClaimed)
			require.False(r.t, p.CreatedAt.IsZero())
			require.True(r.t, p.CreatedAt.Equal(p.CreatedAt.Truncate(time.Microsecond)), "times are in microseconds")
			require.True(r.t, p.SeenAt.IsZero(), "this call created it")
			requireSame(r.t, a.Open(p.CreatedAt), p)
			requireSame(r.t, p, r.find("order-1"))
			h := r.history("order-1")
			require.Equal(r.t, []payment.Attempt{plainAttempt(p.Attempt)}, h.Attempts)
			require.Empty(r.t, h.Events)
		}},
		{"claim/a new order is accepted for later", func(r *repository) {
			a := r.deferredRequest("order-1")
			p := r.claim(a, payment.VerdictAccepted)
			requireSame(r.t, a.Open(p.CreatedAt), p)
			requireSame(r.t, p, r.find("order-1"))
			require.Empty(r.t, r.history("order-1").Attempts, "no attempt has begun")
		}},
		{"claim/a live claim makes other requests busy", func(r *repository) {
			p := r.claim(r.claimRequest("order-1"), payment.VerdictClaimed)
			seen := r.claim(r.claimRequest("order-1"), payment.VerdictBusy)
			requireSame(r.t, p, seen)
			require.True(r.t, seen.Claimed(seen.SeenAt), "SeenAt is the time of the decision")
			requireSame(r.t, p, r.find("order-1"))
		}},
		{"claim/an expired claim is taken over with its gateway key", takesOver},
		{"claim/a lease expires by the database's clock", leaseRunsOut},
		{"claim/a success is replayed", func(r *repository) {
			p := r.inState(payment.StateSucceeded, "order-1")
			requireSame(r.t, p, r.claim(r.claimRequest("order-1"), payment.VerdictReplay))
			requireSame(r.t, p, r.claim(r.deferredRequest("order-1"), payment.VerdictReplay))
			requireSame(r.t, p, r.find("order-1"))
		}},
		{"claim/the gateway key changes only after a decline", keysChange},
		{"claim/a deferred request is handed to the queue", acceptsDeferred},
		{"claim/another amount or currency is refused and recorded", refusesMismatch},
		{"claim/recorded refusals are bounded", func(r *repository) {
			r.inState(payment.StateSucceeded, "order-1")
			a := r.claimRequest("order-1")
			a.Money = money(r.t, "100.01", "USD")
			for range payment.MaxRefusals + 3 {
				r.claim(a, payment.VerdictMismatch)
			}
			h := r.history("order-1")
			require.Len(r.t, h.Events, payment.MaxRefusals)
			requireGapless(r.t, h)
		}},
	}
}

// claimRaces are about concurrent claims.
func claimRaces() []clause {
	return []clause{
		{"claim/one of many concurrent claims on a new order wins", func(r *repository) {
			verdicts, _ := r.race(24, r.claimRequest("order-1"))
			require.Equal(r.t, 1, verdicts[payment.VerdictClaimed])
			require.Equal(r.t, 23, verdicts[payment.VerdictBusy])
			require.Len(r.t, r.history("order-1").Attempts, 1)
		}},
		{"claim/one of many concurrent claims on an expired one wins", func(r *repository) {
			a := r.claimRequest("order-1")
			a.Lease = expiredLease
			r.claim(a, payment.VerdictClaimed)
			verdicts, fences := r.race(24, r.claimRequest("order-1"))
			require.Equal(r.t, 1, verdicts[payment.VerdictClaimed])
			require.Equal(r.t, 23, verdicts[payment.VerdictBusy])
			require.Equal(r.t, map[int64]int{2: 1}, fences)
		}},
		{"claim/each fencing token has one holder", func(r *repository) {
			const n = 24
			a := r.claimRequest("order-1")
			a.Lease = expiredLease
			verdicts, fences := r.race(n, a)
			require.Equal(r.t, n, verdicts[payment.VerdictClaimed])
			for fence := int64(1); fence <= n; fence++ {
				require.Equal(r.t, 1, fences[fence], "holders of fencing token %d", fence)
			}
			h := r.history("order-1")
			require.Len(r.t, h.Attempts, n)
			require.Len(r.t, h.Events, n-1, "each takeover is recorded")
			requireGapless(r.t, h)
		}},
		{"claim/concurrent claims on many orders succeed", func(r *repository) {
			var all sync.WaitGroup
			errs := make(chan error, 32)
			for i := range cap(errs) {
				a := r.claimRequest(payment.OrderID([]byte{'o', '-', 'a' + byte(i/2)})) // two of each
				all.Go(func() {
					_, _, err := r.Claim(r.t.Context(), a)
					errs <- err
				})
			}
			all.Wait()
			for range cap(errs) {
				require.NoError(r.t, <-errs)
			}
		}},
	}
}

// race makes n equal requests concurrently. It counts their verdicts, and the fencing tokens of those
// that won a claim.
func (r *repository) race(
	n int, a payment.ClaimRequest,
) (verdicts map[payment.Verdict]int, fences map[int64]int) {
	r.t.Helper()
	type answer struct {
		p       *payment.Payment
		verdict payment.Verdict
		err     error
	}
	var (
		answers = make(chan answer, n)
		start   = make(chan struct{})
	)
	for range n {
		go func() {
			<-start
			p, v, err := r.Claim(r.t.Context(), a)
			answers <- answer{p, v, err}
		}()
	}
	close(start)
	verdicts, fences = make(map[payment.Verdict]int), make(map[int64]int)
	for range n {
		got := <-answers
		require.NoError(r.t, got.err)
		verdicts[got.verdict]++
		if got.verdict == payment.VerdictClaimed {
			fences[got.p.Fence]++
		}
	}
	return verdicts, fences
}

func takesOver(r *repository) {
	a := r.claimRequest("order-1")
	a.Lease = expiredLease
	first := r.claim(a, payment.VerdictClaimed)

	b := r.claimRequest("order-1")
	b.Replica = "replica-b"
	second := r.claim(b, payment.VerdictClaimed)
	requireSame(r.t, b.Decide(first, second.SeenAt).Payment, second)
	require.True(r.t, second.TakenOver)
	require.False(r.t, r.find("order-1").TakenOver, "a read is no takeover")
	require.Equal(r.t, first.GatewayKey, second.GatewayKey)
	require.Equal(r.t, int64(2), second.Fence)
	require.Equal(r.t, "replica-b", second.Replica)
	require.True(r.t, second.Doubt.Any(), "the first attempt may have charged")
	requireSame(r.t, second, r.find("order-1"))

	h := r.history("order-1")
	require.Equal(r.t, []payment.Class{payment.ClassUnknownUnanswered, ""}, classes(h.Attempts))
	require.Equal(r.t, []payment.EventKind{payment.EventTakenOver}, kinds(h.Events))
	require.Equal(r.t, "replica-b", h.Events[0].Replica)
	require.Equal(r.t, int64(2), h.Events[0].Fence)
	requireGapless(r.t, h)
}

func leaseRunsOut(r *repository) {
	a := r.claimRequest("order-1")
	a.Lease = 150 * time.Millisecond
	first := r.claim(a, payment.VerdictClaimed)
	require.Eventually(r.t, func() bool {
		p := r.find("order-1")
		return !p.Claimed(p.SeenAt)
	}, waitLimit, pollInterval)
	second := r.claim(r.claimRequest("order-1"), payment.VerdictClaimed)
	require.False(r.t, second.SeenAt.Before(first.DueAt), "not before the lease has expired")
	require.Equal(r.t, int64(2), second.Fence)
}

func keysChange(r *repository) {
	for _, state := range []payment.State{
		payment.StateScheduled, payment.StateDeclined, payment.StateFailed, payment.StateUnresolved,
	} {
		id := payment.OrderID("order-" + state)
		before := r.inState(state, id)
		a := r.claimRequest(id)
		after := r.claim(a, payment.VerdictClaimed)
		require.False(r.t, after.TakenOver)
		requireSame(r.t, a.Decide(before, after.SeenAt).Payment, after)
		requireSame(r.t, after, r.find(id))
		requireGapless(r.t, r.history(id))
		if state == payment.StateDeclined {
			require.Equal(r.t, a.NewKey, after.GatewayKey)
		} else {
			require.Equal(r.t, before.GatewayKey, after.GatewayKey, "claimed out of %s", state)
		}
	}
}

func acceptsDeferred(r *repository) {
	for _, state := range []payment.State{payment.StateProcessing, payment.StateScheduled} {
		id := payment.OrderID("order-" + state)
		before := r.inState(state, id)
		requireSame(r.t, before, r.claim(r.deferredRequest(id), payment.VerdictAccepted))
		requireSame(r.t, before, r.find(id))
	}
	for _, state := range []payment.State{
		payment.StateDeclined, payment.StateFailed, payment.StateUnresolved,
	} {
		id := payment.OrderID("order-" + state)
		before, a := r.inState(state, id), r.deferredRequest(id)
		after := r.claim(a, payment.VerdictAccepted)
		requireSame(r.t, a.Decide(before, after.SeenAt).Payment, after)
		requireSame(r.t, after, r.find(id))
		require.Equal(r.t, payment.StateScheduled, after.State)
		h := r.history(id)
		require.Equal(r.t, []payment.EventKind{payment.EventScheduled}, kinds(h.Events))
		requireGapless(r.t, h)
	}
}

func refusesMismatch(r *repository) {
	for _, state := range payment.States() {
		id := payment.OrderID("order-" + state)
		before := r.inState(state, id)
		for i, other := range []payment.Money{
			money(r.t, "100.01", "USD"), money(r.t, "100.00", "EUR"), money(r.t, "10000", "JPY"),
		} {
			a := r.claimRequest(id)
			a.Money, a.Deferred = other, i == 0
			after := r.claim(a, payment.VerdictMismatch)
			requireSame(r.t, a.Decide(before, after.SeenAt).Payment, after)
			before = after
		}
		requireSame(r.t, before, r.find(id))
		h := r.history(id)
		require.Equal(r.t, []payment.EventKind{
			payment.EventRefused, payment.EventRefused, payment.EventRefused,
		}, kinds(h.Events))
		require.Equal(r.t, "requested 100.01 USD, but the order is for 100.00 USD", h.Events[0].Detail)
		requireGapless(r.t, h)
	}
}
