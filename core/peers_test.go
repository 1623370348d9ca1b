package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core"
)

// A replica shows the others without a query of its own, and for a while also one whose heartbeats expired.
func TestReplicas(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.replica("a"), w.replica("b")
		require.Equal(t, []core.ReplicaStatus{{Name: "a", Self: true, Age: -1}}, a.Replicas(), "the queue does not run yet")
		a.queue()
		b.queue()
		w.sleepUntil(12 * time.Second)
		queries := a.calls("Heartbeats")
		seen := a.Replicas()
		require.Equal(t, queries, a.calls("Heartbeats"))
		require.Len(t, seen, 2)
		require.Equal(t, "a", seen[0].Name)
		require.True(t, seen[0].Self)
		require.Equal(t, "b", seen[1].Name)
		for _, r := range seen {
			require.False(t, r.Expired)
			require.GreaterOrEqual(t, r.Age, time.Duration(0))
			require.Less(t, r.Age, 2*heartbeatTimeout)
		}

		b.partition()
		w.sleepUntil(30 * time.Second)
		seen = a.Replicas()
		require.Len(t, seen, 2)
		require.True(t, seen[1].Expired)
		require.Less(t, seen[1].Age, 18*time.Second)

		b.heal()
		w.sleepUntil(time.Minute)
		seen = a.Replicas()
		require.Len(t, seen, 2)
		require.False(t, seen[1].Expired, "it is back")

		b.partition()
		w.sleepUntil(20 * time.Minute)
		require.Len(t, a.Replicas(), 1, "an expired replica is shown for a quarter of an hour")
	})
}
