package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core/payment"
)

// The latest answer of a gateway stays known while further calls get none.
func TestCalls(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		gateway := w.gateway.Capabilities().Gateway
		require.Zero(t, a.Calls(gateway), "no call yet")

		w.gateway.OnCharge(slowly(40 * time.Millisecond))
		a.pay()
		calls := a.Calls(gateway)
		require.Zero(t, calls.Unanswered)
		require.Zero(t, calls.Silent)
		require.Equal(t, string(payment.ClassApproved), calls.Answered.Result)
		require.Equal(t, 40*time.Millisecond, calls.Answered.Took)
		require.Equal(t, time.Now(), calls.Answered.At)
		require.False(t, calls.Answered.Lookup)

		answered := calls.Answered
		w.gateway.OnCharge(func(payment.Charge) fake.Step { return fake.Refuse() })
		<-a.start(t.Context(), forOrder("order-2"))
		calls = a.Calls(gateway)
		require.Equal(t, answered, calls.Answered)
		require.Equal(t, 4, calls.Silent, "one attempt and three retries")
		require.Equal(t, string(payment.ClassNotCharged), calls.Unanswered.Result)
		require.Contains(t, calls.Unanswered.Message, "connection refused")

		w.gateway.OnCharge(func(payment.Charge) fake.Step { return fake.Unavailable() })
		<-a.start(t.Context(), forOrder("order-3"))
		calls = a.Calls(gateway)
		require.Zero(t, calls.Silent)
		require.True(t, calls.Answered.Lookup, "after attempts of unknown outcome, the gateway is asked")
		require.Equal(t, string(payment.FoundNothing), calls.Answered.Result)
		require.Zero(t, a.Calls("https://other.example"))
	})
}
