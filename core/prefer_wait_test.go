package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core/payment"
)

// The wait of a request is for another request of the order. Its own retries follow the settings.
func TestRequestWait_DoesNotChangeOwnRetries(t *testing.T) {
	t.Run("a longer one", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			got := w.replica("a").pay(withWait(time.Minute))
			require.Equal(t, payment.StateScheduled, got.State)
			require.Zero(t, got.took)
		}, fake.RefuseFor(30*time.Second))
	})
	t.Run("none", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			got := w.replica("a").pay(withWait(0))
			require.Equal(t, payment.StateSucceeded, got.State)
			require.Equal(t, 2*time.Second, got.took)
		}, fake.RefuseFor(2*time.Second), fake.Approve())
	})
}
