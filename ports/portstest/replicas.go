package portstest

import (
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

func replicas() []clause {
	return []clause{
		{"beat/each replica is heard by the others", func(r *repository) {
			r.beat("replica-a")
			r.beat("replica-b")
			first := r.heard()
			require.Len(r.t, r.heartbeats(), 1, "without the one that asks")
			require.Equal(r.t, first.At, r.heard().At, "to look changes nothing")
			require.GreaterOrEqual(r.t, first.Age, time.Duration(0))
			require.Less(r.t, first.Age, patience)

			r.beat("replica-a")
			require.True(r.t, r.heard().At.After(first.At))
		}},
		{"release/the leases of the replica run out", func(r *repository) {
			r.beat("replica-a")
			first := r.in(payment.StateProcessing, "order-1") // by replica-a
			r.claim(r.ask("order-1"), payment.VerdictBusy)

			r.release()
			require.Len(r.t, r.pickUpAll(10), 1)
			second := r.find("order-1")
			require.Equal(r.t, first.Fence+1, second.Fence)
			require.True(r.t, second.Doubt.Any(), "its attempt may have charged")
		}},
		{"release/it is done once, until the replica is back", func(r *repository) {
			r.beat("replica-a")
			h := r.release()
			require.Empty(r.t, r.heartbeats())
			require.False(r.t, r.released(h))

			r.beat("replica-a")
			r.release()
		}},
		{"release/a replica that has beaten since keeps its claims", func(r *repository) {
			r.beat("replica-a")
			held := r.in(payment.StateProcessing, "order-1")
			before := r.heard()
			r.beat("replica-a")
			require.False(r.t, r.released(before))
			requireSame(r.t, held, r.find("order-1"))
			require.Len(r.t, r.heartbeats(), 1)
		}},
		{"release/the claims of the others are left alone", func(r *repository) {
			r.beat("replica-a")
			a := r.ask("order-1")
			a.Replica = "replica-b"
			held := r.claim(a, payment.VerdictClaimed)
			r.in(payment.StateUnresolved, "order-2")
			before := r.pickUpAll(10)
			require.Len(r.t, before, 1, "the lookup is put off")

			r.release()
			requireSame(r.t, held, r.find("order-1"))
			requireSame(r.t, before[0].Payment, r.find("order-2"))
		}},
		{"release/a backoff of the replica was no attempt and may become one", func(r *repository) {
			r.beat("replica-a")
			p := r.in(payment.StateProcessing, "order-1")
			rn := renewal(p, live)
			rn.End.Result = resultFor(payment.StateFailed)
			r.renew(rn)
			r.release()
			after := r.claim(r.ask("order-1"), payment.VerdictClaimed)
			require.Equal(r.t, 2, after.Attempt.Number)
			require.True(r.t, after.Doubt.Any())
			requireGapless(r.t, r.history("order-1"))
		}},
	}
}

func leaving() []clause {
	return []clause{
		{"leave/one that has left is not heard of", func(r *repository) {
			r.beat("replica-a")
			h := r.heard()
			require.NoError(r.t, r.Leave(r.t.Context(), "replica-a"))
			require.NoError(r.t, r.Leave(r.t.Context(), "replica-a"), "twice is once")
			require.Empty(r.t, r.heartbeats())
			require.False(r.t, r.released(h))
		}},
		{"try write/it leaves nothing behind", func(r *repository) {
			r.beat("replica-a")
			r.in(payment.StateProcessing, "order-1")
			before := r.history("order-1")
			require.NoError(r.t, r.TryWrite(r.t.Context()))
			require.NoError(r.t, r.TryWrite(r.t.Context()), "twice")
			require.Len(r.t, r.heartbeats(), 1)
			require.Equal(r.t, before, r.history("order-1"))
			page, err := r.List(r.t.Context(), ports.ListQuery{Limit: 10})
			require.NoError(r.t, err)
			require.Len(r.t, page.Payments, 1)
		}},
		{"ready/when the database answers", func(r *repository) {
			require.NoError(r.t, r.Ready(r.t.Context()))
		}},
	}
}

func (r *repository) beat(replica string) {
	r.t.Helper()
	require.NoError(r.t, r.Heartbeat(r.t.Context(), replica))
}

// heartbeats are those that replica-b reads.
func (r *repository) heartbeats() []ports.Heartbeat {
	r.t.Helper()
	beats, err := r.Heartbeats(r.t.Context(), "replica-b")
	require.NoError(r.t, err)
	return beats
}

// heard returns the latest heartbeat of replica-a, as replica-b reads it.
func (r *repository) heard() ports.Heartbeat {
	r.t.Helper()
	for _, h := range r.heartbeats() {
		if h.Replica == "replica-a" {
			return h
		}
	}
	require.Fail(r.t, "no heartbeat of replica-a")
	return ports.Heartbeat{}
}

// release releases replica-a as replica-b does, and returns its last heartbeat.
func (r *repository) release() ports.Heartbeat {
	r.t.Helper()
	h := r.heard()
	require.True(r.t, r.released(h))
	return h
}

func (r *repository) released(h ports.Heartbeat) bool {
	r.t.Helper()
	released, err := r.Release(r.t.Context(), h)
	require.NoError(r.t, err)
	return released
}
