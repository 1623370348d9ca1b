package portstest

import (
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func claims() []clause {
	return []clause{
		{"claim/a new order is ours", func(r *repository) {
			a := r.ask("order-1")
			p := r.claim(a, payment.VerdictClaimed)
			require.False(r.t, p.CreatedAt.IsZero())
			require.True(r.t, p.CreatedAt.Equal(p.CreatedAt.Truncate(time.Microsecond)), "times are in microseconds")
			require.True(r.t, p.SeenAt.IsZero(), "this very call created it")
			requireSame(r.t, a.Open(p.CreatedAt), p)
			requireSame(r.t, p, r.find("order-1"))
			h := r.history("order-1")
			require.Equal(r.t, []payment.Attempt{plainAttempt(p.Attempt)}, h.Attempts)
			require.Empty(r.t, h.Events)
		}},
		{"claim/a new order is accepted for later", func(r *repository) {
			a := r.later("order-1")
			p := r.claim(a, payment.VerdictAccepted)
			requireSame(r.t, a.Open(p.CreatedAt), p)
			requireSame(r.t, p, r.find("order-1"))
			require.Empty(r.t, r.history("order-1").Attempts, "no attempt has begun")
		}},
		{"claim/a claim that is alive makes the others busy", func(r *repository) {
			p := r.claim(r.ask("order-1"), payment.VerdictClaimed)
			seen := r.claim(r.ask("order-1"), payment.VerdictBusy)
			requireSame(r.t, p, seen)
			require.True(r.t, seen.Claimed(seen.SeenAt), "seen at the time that the verdict is of")
			requireSame(r.t, p, r.find("order-1"))
		}},
		{"claim/one that has run out is taken over with its gateway key", takesOver},
		{"claim/a lease runs out by the database's clock", leaseRunsOut},
		{"claim/a success is replayed", func(r *repository) {
			p := r.in(payment.StateSucceeded, "order-1")
			requireSame(r.t, p, r.claim(r.ask("order-1"), payment.VerdictReplay))
			requireSame(r.t, p, r.claim(r.later("order-1"), payment.VerdictReplay))
			requireSame(r.t, p, r.find("order-1"))
		}},
		{"claim/a gateway key changes after a decline and only then", keysChange},
		{"claim/accepting for later hands over to the queue", accepts},
		{"claim/another amount or currency is refused and remembered", refuses},
		{"claim/refusals do not fill the database", func(r *repository) {
			r.in(payment.StateSucceeded, "order-1")
			a := r.ask("order-1")
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

// claimRaces are about claims at the same time.
func claimRaces() []clause {
	return []clause{
		{"claim/of many at once on a new order one wins", func(r *repository) {
			verdicts, _ := r.race(24, r.ask("order-1"))
			require.Equal(r.t, 1, verdicts[payment.VerdictClaimed])
			require.Equal(r.t, 23, verdicts[payment.VerdictBusy])
			require.Len(r.t, r.history("order-1").Attempts, 1)
		}},
		{"claim/of many at once on one that has run out one wins", func(r *repository) {
			a := r.ask("order-1")
			a.Lease = dead
			r.claim(a, payment.VerdictClaimed)
			verdicts, fences := r.race(24, r.ask("order-1"))
			require.Equal(r.t, 1, verdicts[payment.VerdictClaimed])
			require.Equal(r.t, 23, verdicts[payment.VerdictBusy])
			require.Equal(r.t, map[int64]int{2: 1}, fences)
		}},
		{"claim/each fencing number has one holder", func(r *repository) {
			const n = 24
			a := r.ask("order-1")
			a.Lease = dead
			verdicts, fences := r.race(n, a)
			require.Equal(r.t, n, verdicts[payment.VerdictClaimed])
			for fence := int64(1); fence <= n; fence++ {
				require.Equal(r.t, 1, fences[fence], "holders of fencing number %d", fence)
			}
			h := r.history("order-1")
			require.Len(r.t, h.Attempts, n)
			require.Len(r.t, h.Events, n-1, "each takeover is told")
			requireGapless(r.t, h)
		}},
		{"claim/many orders at once do not hinder each other", func(r *repository) {
			var all sync.WaitGroup
			errs := make(chan error, 32)
			for i := range cap(errs) {
				a := r.ask(payment.OrderID([]byte{'o', '-', 'a' + byte(i/2)})) // two of each
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

// race makes n equal requests at once. It counts their verdicts, and the fencing numbers
// of those that won a claim.
func (r *repository) race(
	n int, a payment.ClaimRequest,
) (verdicts map[payment.Verdict]int, fences map[int64]int) {
	r.t.Helper()
	type answer struct {
		p       payment.Payment
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
	a := r.ask("order-1")
	a.Lease = dead
	first := r.claim(a, payment.VerdictClaimed)

	b := r.ask("order-1")
	b.Replica = "replica-b"
	second := r.claim(b, payment.VerdictClaimed)
	requireSame(r.t, b.Decide(first, second.SeenAt).Payment, second)
	require.True(r.t, second.TakenOver)
	require.False(r.t, r.find("order-1").TakenOver, "whoever only reads it takes nothing over")
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
	a := r.ask("order-1")
	a.Lease = 150 * time.Millisecond
	first := r.claim(a, payment.VerdictClaimed)
	require.Eventually(r.t, func() bool {
		p := r.find("order-1")
		return !p.Claimed(p.SeenAt)
	}, patience, glance)
	second := r.claim(r.ask("order-1"), payment.VerdictClaimed)
	require.False(r.t, second.SeenAt.Before(first.DueAt), "not before the lease has run out")
	require.Equal(r.t, int64(2), second.Fence)
}

func keysChange(r *repository) {
	for _, state := range []payment.State{
		payment.StateScheduled, payment.StateDeclined, payment.StateFailed, payment.StateUnresolved,
	} {
		id := payment.OrderID("order-" + state)
		before := r.in(state, id)
		a := r.ask(id)
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

func accepts(r *repository) {
	for _, state := range []payment.State{payment.StateProcessing, payment.StateScheduled} {
		id := payment.OrderID("order-" + state)
		before := r.in(state, id)
		requireSame(r.t, before, r.claim(r.later(id), payment.VerdictAccepted))
		requireSame(r.t, before, r.find(id))
	}
	for _, state := range []payment.State{
		payment.StateDeclined, payment.StateFailed, payment.StateUnresolved,
	} {
		id := payment.OrderID("order-" + state)
		before, a := r.in(state, id), r.later(id)
		after := r.claim(a, payment.VerdictAccepted)
		requireSame(r.t, a.Decide(before, after.SeenAt).Payment, after)
		requireSame(r.t, after, r.find(id))
		require.Equal(r.t, payment.StateScheduled, after.State)
		h := r.history(id)
		require.Equal(r.t, []payment.EventKind{payment.EventScheduled}, kinds(h.Events))
		requireGapless(r.t, h)
	}
}

func refuses(r *repository) {
	for _, state := range payment.States() {
		id := payment.OrderID("order-" + state)
		before := r.in(state, id)
		for i, other := range []payment.Money{
			money(r.t, "100.01", "USD"), money(r.t, "100.00", "EUR"), money(r.t, "10000", "JPY"),
		} {
			a := r.ask(id)
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
