package app_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
)

// TestTakeover_ReplicaKilled_ChargedOnce kills a replica after the gateway took the money and before it answered. The
// next request, at another replica, finishes the payment.
func TestTakeover_ReplicaKilled_ChargedOnce(t *testing.T) {
	t.Parallel()

	gateway := apptest.StartGateway(t)
	gateway.Do(holdFirst(nil))
	variables := env{
		"PAYMENTD_DATABASE": mysqltest.Database(t), "PAYMENTD_GATEWAY": gateway.URL,
		"PAYMENTD_HEARTBEAT_TIMEOUT": "1s", // much shorter than the lease, 30 s
	}
	first, second := serve(t, variables), serve(t, variables)
	lost := pay(t, first.URL, "order-1", "5.00")
	waitCalls(t, gateway, "order-1", 1)
	first.Kill()
	require.Error(t, (<-lost).Err)

	answer := apptest.Pay(t.Context(), second.URL, "order-1", "5.00")
	requireChargedOnce(t, gateway, "order-1", answer)
	require.Len(t, gateway.Calls("order-1"), 2)
	stored, err := apptest.Find(t.Context(), second.URL, "order-1")
	require.NoError(t, err)
	require.Len(t, stored.Attempts, 2)
	t.Logf("finished %v after the kill", answer.Took)
	require.Less(t, answer.Took, 15*time.Second, "the takeover must not wait for the lease")
}

// TestTakeover_ReplicaPaused_IsFencedOut pauses a replica during a payment for longer than the heartbeat timeout.
// Another replica takes over, and the first one settles nothing after it resumes.
func TestTakeover_ReplicaPaused_IsFencedOut(t *testing.T) {
	t.Parallel()

	release := make(chan struct{})
	gateway := apptest.StartGateway(t)
	gateway.Do(holdFirst(release))
	variables := env{
		"PAYMENTD_DATABASE": mysqltest.Database(t), "PAYMENTD_GATEWAY": gateway.URL,
		"PAYMENTD_HEARTBEAT_TIMEOUT": "1s",
	}
	paused, other := serve(t, variables), serve(t, variables)
	asked := pay(t, paused.URL, "order-1", "5.00")
	waitCalls(t, gateway, "order-1", 1)
	paused.Pause(t)

	answer := apptest.Pay(t.Context(), other.URL, "order-1", "5.00")
	requireChargedOnce(t, gateway, "order-1", answer)
	before, err := apptest.Find(t.Context(), other.URL, "order-1")
	require.NoError(t, err)

	close(release)
	paused.Resume(t)
	paused.WaitLog(t, "fenced out")
	late := <-asked
	require.Equal(t, answer.Raw, late.Raw, "the paused replica must give the same answer")
	after, err := apptest.Find(t.Context(), other.URL, "order-1")
	require.NoError(t, err)
	require.Equal(t, before.Raw, after.Raw, "the paused replica must write nothing")
	require.Equal(t, 1, strings.Count(paused.Log(), "fenced out"))
	waitReadyz(t, paused, http.StatusOK)
}

// holdFirst charges on the first call with each key, and delays the answer until release is closed; forever if it is
// nil.
func holdFirst(release chan struct{}) apptest.Script {
	if release == nil {
		release = make(chan struct{})
	}
	return func(c apptest.Call) apptest.Reply {
		if !c.LookUp && c.Number == 1 {
			return apptest.Reply{Until: release}
		}
		return apptest.Reply{}
	}
}
