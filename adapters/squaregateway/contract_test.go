package squaregateway_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/squaregateway"
	"paymentd/adapters/squaregateway/squarefake"
	"paymentd/core/payment"
	"paymentd/ports"
	"paymentd/ports/portstest"
)

var (
	_ ports.Gateway = (*squaregateway.Gateway)(nil)
	_ ports.Ledger  = (*squaregateway.Gateway)(nil)
)

// The contract over a real socket with TLS, under each possibility that Square's documents leave open.
func TestGateway_Contract(t *testing.T) {
	t.Parallel()
	const lag = 5 * time.Second
	for name, o := range map[string]squarefake.Options{
		"as documented":               {Lag: lag},
		"repeats get the old answer":  {Lag: lag, StaleRepeats: true},
		"declines have status 402":    {Lag: lag, DeclineStatus: http.StatusPaymentRequired, VersionedErrors: true},
		"declines have status 200":    {Lag: lag, DeclineStatus: http.StatusOK},
		"declines are processed anew": {Lag: lag, ForgetDeclines: true},
		"refunds reduce the amount":   {Lag: lag, RefundsReduceAmount: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			portstest.Gateway(t, func(t testing.TB) portstest.GatewayUnderTest {
				t.Helper()
				b := newBench(t, o)
				return portstest.GatewayUnderTest{
					Gateway: b, Approved: money(t, "100", "USD"),
					Declined: money(t, "94.02", "USD"), Slow: money(t, "95.08", "USD"),
					Method: squarefake.SourceByAmount, OtherMethod: cardOK,
					Pending: func(c payment.Charge) payment.Charge {
						c.Method = bankOK
						return c
					},
					Complete: func(key payment.GatewayKey, approve bool) {
						status := map[bool]string{true: "COMPLETED", false: "FAILED"}[approve]
						require.NoError(t, b.fake.Decide(b.fake.IDs(string(key))[0], status))
					},
					PassLag: func() { b.fake.Advance(lag) },
					Charges: func(key payment.GatewayKey) int { return b.fake.Charges(string(key)) },
					DeclinedRefund: func(c payment.Charge) payment.Charge {
						c.Money = money(t, "94.02", "USD")
						return c
					},
					PendingRefund: func(c payment.Charge) payment.Charge {
						c.Money = money(t, "96.14", "USD")
						return c
					},
					CompleteRefund: func(key payment.GatewayKey, approve bool) {
						status := map[bool]string{true: "COMPLETED", false: "FAILED"}[approve]
						require.NoError(t, b.fake.DecideRefund(string(key), status))
					},
					ReturnRefund: func(key payment.GatewayKey) { require.NoError(t, b.fake.DecideRefund(string(key), "FAILED")) },
					Refunds:      func(key payment.GatewayKey) int { return b.fake.Refunds(string(key)) },
					Holds:        true, CapturesByState: true,
					ExpireHold: func(payment.GatewayKey) { b.fake.Advance(7 * 24 * time.Hour) },
				}
			})
		})
	}
}

func TestCapabilities_AreDeclared(t *testing.T) {
	t.Parallel()
	can := newBench(t, squarefake.Options{}).Capabilities()
	require.Equal(t, payment.GatewayID("square:LFAKE:sandbox"), can.Gateway)
	require.True(t, can.HonoursKeys())
	require.Equal(t, squaregateway.HoldFor, can.KeyLifetime, "no attempt begins after the hold of an earlier one has expired")
	require.GreaterOrEqual(t, squaregateway.HoldFor, time.Minute, "the minimum of Square")
	require.Positive(t, can.LookupLag)
	require.True(t, can.NeedsMethod && can.LooksUp && can.Cancels && can.CancelsByKey)
	require.False(t, can.SavesDeclines || can.LookupForgets)
	require.LessOrEqual(t, can.MaxKeyBytes, 45)
	require.GreaterOrEqual(t, can.MaxKeyBytes, len(key))
}
