package core_test

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
)

// The age of a key counts before each attempt, and not only before the round: attempts follow after 1, 2 and
// 4 s, and the key may be forgotten before the end of the fourth.
func TestKeyAge_IsCheckedBeforeEachAttemptOfARound(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		step     fake.Step
		lifetime time.Duration
		attempts int
	}{
		"in doubt, old at the fourth":  {fake.Unavailable(), 10*time.Second + time.Minute + 5*time.Second, 3},
		"in doubt, old at the second":  {fake.Unavailable(), 10*time.Second + time.Minute + time.Second/2, 1},
		"in doubt, young":              {fake.Unavailable(), 10*time.Second + time.Minute + 10*time.Second, 4},
		"certainly not charged so far": {fake.NotChargedAnswer(), 10*time.Second + time.Minute + time.Second/2, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				gateway := fake.NewGateway(tt.step, tt.step, tt.step, tt.step)
				gateway.Declare(func(c *payment.Capabilities) { c.KeyLifetime = tt.lifetime })
				s := newService(io.Discard, fake.NewPayments(), gateway) // attempts of 10 s, and late after 1 min
				dollar, err := payment.ParseCurrency("USD")
				require.NoError(t, err)
				amount, err := payment.ParseMoney("1.00", dollar)
				require.NoError(t, err)
				_, err = s.Process(t.Context(), core.Request{OrderID: "order-1", Money: amount})
				require.NoError(t, err)
				require.Len(t, gateway.Attempts(), tt.attempts)
			})
		})
	}
}
