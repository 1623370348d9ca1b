package core

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// A claim whose answer took long: the database's time is between two moments, and the age of a key is measured to
// the later one.
func TestClaim_SlowAnswer_CountsForTheAgeOfItsKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked, read := time.Now(), time.Date(2026, 9, 17, 12, 0, 0, 0, time.UTC)
		time.Sleep(15 * time.Second)
		c := (&Service{}).newClaim(&payment.Payment{SeenAt: read}, asked)
		time.Sleep(5 * time.Second)
		require.Equal(t, read.Add(5*time.Second), c.now().DB)
		require.Equal(t, read.Add(20*time.Second), c.latest().DB)
		require.Equal(t, time.Now().Round(0), c.latest().Worker)
	})
}
