package portstest

import (
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

func replicas() []clause {
	return []clause{
		{"heartbeat/each replica reads the others'", func(r *repository) {
			r.heartbeat("replica-a")
			r.heartbeat("replica-b")
			first := r.heartbeatOfA()
			require.Len(r.t, r.heartbeats(), 1, "without its own")
			require.Equal(r.t, first.At, r.heartbeatOfA().At, "a read changes nothing")
			require.GreaterOrEqual(r.t, first.Age, time.Duration(0))
			require.Less(r.t, first.Age, waitLimit)

			r.heartbeat("replica-a")
			require.True(r.t, r.heartbeatOfA().At.After(first.At))
		}},
		{"release/the leases of the replica expire", func(r *repository) {
			r.heartbeat("replica-a")
			first := r.inState(payment.StateProcessing, "order-1") // by replica-a
			r.claim(r.claimRequest("order-1"), payment.VerdictBusy)

			r.release()
			require.Len(r.t, r.pickUpAll(10), 1)
			second := r.find("order-1")
			require.Equal(r.t, first.Fence+1, second.Fence)
			require.True(r.t, second.Doubt.Any(), "its attempt may have charged")
		}},
		{"release/a second release does nothing until the replica is back", func(r *repository) {
			r.heartbeat("replica-a")
			h := r.release()
			require.Empty(r.t, r.heartbeats())
			require.False(r.t, r.released(h))

			r.heartbeat("replica-a")
			r.release()
		}},
		{"release/a replica with a later heartbeat keeps its claims", func(r *repository) {
			r.heartbeat("replica-a")
			held := r.inState(payment.StateProcessing, "order-1")
			before := r.heartbeatOfA()
			r.heartbeat("replica-a")
			require.False(r.t, r.released(before))
			requireSame(r.t, held, r.find("order-1"))
			require.Len(r.t, r.heartbeats(), 1)
		}},
		{"release/claims of other replicas are unchanged", func(r *repository) {
			r.heartbeat("replica-a")
			a := r.claimRequest("order-1")
			a.Replica = "replica-b"
			held := r.claim(a, payment.VerdictClaimed)
			r.inState(payment.StateUnresolved, "order-2")
			before := r.pickUpAll(10)
			require.Len(r.t, before, 1, "the lookup is claimed")

			r.release()
			requireSame(r.t, held, r.find("order-1"))
			requireSame(r.t, before[0].Payment, r.find("order-2"))
		}},
		{"release/an attempt planned after a backoff may still begin", func(r *repository) {
			r.heartbeat("replica-a")
			p := r.inState(payment.StateProcessing, "order-1")
			rn := renewal(p, liveLease)
			rn.End.Result = resultFor(payment.StateFailed)
			r.renew(rn)
			r.release()
			after := r.claim(r.claimRequest("order-1"), payment.VerdictClaimed)
			require.Equal(r.t, 2, after.Attempt.Number)
			require.True(r.t, after.Doubt.Any())
			requireGapless(r.t, r.history("order-1"))
		}},
	}
}

func leaving() []clause {
	return []clause{
		{"leave/a replica that has left has no heartbeat", func(r *repository) {
			r.heartbeat("replica-a")
			h := r.heartbeatOfA()
			require.NoError(r.t, r.Leave(r.t.Context(), "replica-a"))
			require.NoError(r.t, r.Leave(r.t.Context(), "replica-a"), "a repeat changes nothing")
			require.Empty(r.t, r.heartbeats())
			require.False(r.t, r.released(h))
		}},
		{"try write/nothing stays written", func(r *repository) {
			r.heartbeat("replica-a")
			r.inState(payment.StateProcessing, "order-1")
			before := r.history("order-1")
			require.NoError(r.t, r.TryWrite(r.t.Context()))
			require.NoError(r.t, r.TryWrite(r.t.Context()), "again")
			require.Len(r.t, r.heartbeats(), 1)
			require.Equal(r.t, before, r.history("order-1"))
			page, err := r.List(r.t.Context(), ports.ListQuery{Limit: 10})
			require.NoError(r.t, err)
			require.Len(r.t, page.Payments, 1)
		}},
		{"ready/the database answers", func(r *repository) {
			require.NoError(r.t, r.Ready(r.t.Context()))
		}},
	}
}

func (r *repository) heartbeat(replica string) {
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

// heartbeatOfA returns the latest heartbeat of replica-a, as replica-b reads it.
func (r *repository) heartbeatOfA() ports.Heartbeat {
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
	h := r.heartbeatOfA()
	require.True(r.t, r.released(h))
	return h
}

func (r *repository) released(h ports.Heartbeat) bool {
	r.t.Helper()
	released, err := r.Release(r.t.Context(), h)
	require.NoError(r.t, err)
	return released
}
