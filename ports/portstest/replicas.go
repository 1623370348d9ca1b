package portstest

import (
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func replicas() []clause {
	return []clause{
		{"beat/the leases of a silent replica run out", func(r *repository) {
			r.beat("replica-a", time.Hour)
			first := r.in(payment.StateProcessing, "order-1") // by replica-a
			require.Empty(r.t, r.beat("replica-b", time.Hour))
			r.claim(r.ask("order-1"), payment.VerdictBusy)

			r.untilSilent("replica-a")
			require.Len(r.t, r.pickUp(r.terms(), 10), 1)
			second := r.find("order-1")
			require.Equal(r.t, first.Fence+1, second.Fence)
			require.True(r.t, second.Doubt.Any(), "its attempt may have charged")
		}},
		{"beat/a silence is told once", func(r *repository) {
			r.beat("replica-a", time.Hour)
			r.untilSilent("replica-a")
			require.Empty(r.t, r.beat("replica-b", silence))

			require.Empty(r.t, r.beat("replica-a", time.Hour))
			r.untilSilent("replica-a") // it had come back
		}},
		{"beat/the claims of the others are left alone", func(r *repository) {
			r.beat("replica-a", time.Hour)
			a := r.ask("order-1")
			a.Replica = "replica-b"
			held := r.claim(a, payment.VerdictClaimed)
			r.in(payment.StateUnresolved, "order-2")
			before := r.pickUp(r.terms(), 10)
			require.Len(r.t, before, 1, "the lookup is put off")

			r.untilSilent("replica-a")
			requireSame(r.t, held, r.find("order-1"))
			requireSame(r.t, before[0].Payment, r.find("order-2"))
		}},
		{"beat/a backoff of a silent replica was no attempt and may become one", func(r *repository) {
			r.beat("replica-a", time.Hour)
			p := r.in(payment.StateProcessing, "order-1")
			rn := renewal(p, live)
			rn.End.Result = resultFor(payment.StateFailed)
			r.renew(rn)
			r.untilSilent("replica-a")
			after := r.claim(r.ask("order-1"), payment.VerdictClaimed)
			require.Equal(r.t, 2, after.Attempt.Number)
			require.True(r.t, after.Doubt.Any())
			requireGapless(r.t, r.history("order-1"))
		}},
		{"leave/one that has left is not silent", func(r *repository) {
			r.beat("replica-a", time.Hour)
			r.beat("replica-c", time.Hour)
			require.NoError(r.t, r.Leave(r.t.Context(), "replica-a"))
			require.NoError(r.t, r.Leave(r.t.Context(), "replica-a"), "twice is once")
			r.untilSilent("replica-c")
		}},
		{"ready/when the database answers", func(r *repository) {
			require.NoError(r.t, r.Ready(r.t.Context()))
		}},
	}
}

// silence is how long a replica may say nothing, where a test waits for its silence.
const silence = 20 * time.Millisecond

func (r *repository) beat(replica string, timeout time.Duration) []string {
	r.t.Helper()
	silent, err := r.Beat(r.t.Context(), replica, timeout)
	require.NoError(r.t, err)
	return silent
}

// untilSilent beats for replica-b until the other one, and nobody else, is found silent.
func (r *repository) untilSilent(other string) {
	r.t.Helper()
	for began := time.Now(); time.Since(began) < patience; time.Sleep(glance) {
		if silent := r.beat("replica-b", silence); len(silent) > 0 {
			require.Equal(r.t, []string{other}, silent)
			return
		}
	}
	require.Fail(r.t, "nobody fell silent")
}
