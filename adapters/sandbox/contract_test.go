package sandbox_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/httpgateway/protocoltest"
	"paymentd/core/payment"
	"paymentd/ports"
	"paymentd/ports/portstest"

	"paymentd/adapters/sandbox"
)

var _ ports.Gateway = (*sandbox.Gateway)(nil)

func TestContract(t *testing.T) {
	t.Parallel()
	portstest.Gateway(t, func(t testing.TB) portstest.GatewayUnderTest {
		t.Helper()
		path := ledgerPath(t)
		gateway := open(t, path)
		return portstest.GatewayUnderTest{
			Gateway:  gateway,
			Approved: money(t, "100", "USD"),
			Declined: money(t, "9402", "USD"),
			Slow:     money(t, "9508", "USD"),
			Method:   "pm_1", OtherMethod: "pm_2",
			Pending: func(c payment.Charge) payment.Charge {
				c.Money = money(t, "9201", "USD")
				return c
			},
			Complete: func(key payment.GatewayKey, approve bool) {
				require.True(t, gateway.Complete(t.Context(), key, approve))
			},
			Charges: func(key payment.GatewayKey) (n int) {
				for _, line := range readLedger(t, path) {
					if line["key"] == string(key) && line["status"] == "succeeded" && line["charge_key"] == "" {
						n++
					}
				}
				return n
			},
			DeclinedRefund: func(c payment.Charge) payment.Charge { return ofLarge(t, gateway, c, "9402") },
			PendingRefund:  func(c payment.Charge) payment.Charge { return ofLarge(t, gateway, c, "9201") },
			CompleteRefund: func(key payment.GatewayKey, approve bool) {
				require.True(t, gateway.CompleteRefund(t.Context(), key, approve))
			},
			ReturnRefund: func(key payment.GatewayKey) { require.True(t, gateway.Return(t.Context(), key)) },
			Refunds:      func(key payment.GatewayKey) int { return given(t, path, string(key)) },

			Holds:           true,
			ExpireHold:      func(key payment.GatewayKey) { require.True(t, gateway.ExpireHold(t.Context(), key)) },
			DeclinedCapture: func(c payment.Charge) payment.Charge { return ofLarge(t, gateway, c, "9402") },
			PendingCapture:  func(c payment.Charge) payment.Charge { return ofLarge(t, gateway, c, "9201") },
			PendingVoid: func(c payment.Charge) payment.Charge {
				h := charge(t, "of-"+string(c.Key), "9314")
				h.Capture = payment.CaptureManual
				r := gateway.Charge(t.Context(), h)
				require.Equal(t, payment.ClassAuthorized, r.Class)
				c.OrderID, c.Of.Key, c.Of.TransactionID, c.Money = h.OrderID, h.Key, r.TransactionID, h.Money
				return c
			},
			CompleteOperation: func(c payment.Charge, approve bool) {
				require.True(t, gateway.CompleteOperation(t.Context(), c.Operation.Kind, c.Key, approve))
			},
			Captures: func(key payment.GatewayKey) int { return given(t, path, string(key)) },
		}
	})
}

// ofLarge turns a refund or a capture into one of a magic amount, of a charge that is large enough.
func ofLarge(t testing.TB, g *sandbox.Gateway, c payment.Charge, amount string) payment.Charge {
	t.Helper()
	of := charge(t, "of-"+string(c.Key), "20000")
	if c.Operation.Kind == payment.KindCapture {
		of.Capture = payment.CaptureManual
	}
	r := g.Charge(t.Context(), of)
	require.True(t, r.Answered)
	c.OrderID, c.Of.Key, c.Of.TransactionID, c.Money = of.OrderID, of.Key, r.TransactionID, money(t, amount, "USD")
	return c
}

func TestContract_OverHTTP(t *testing.T) {
	t.Parallel()
	base, _ := serve(t, open(t, ledgerPath(t)))
	protocoltest.Run(t, func(testing.TB) protocoltest.Server {
		return protocoltest.Server{URL: base, Approved: money(t, "100", "USD"), Declined: money(t, "9402", "USD"), Holds: true}
	})
}

func TestCharge_RefusedWithoutKey(t *testing.T) {
	t.Parallel()
	path := ledgerPath(t)
	r := open(t, path).Charge(t.Context(), charge(t, "", "100"))
	require.Equal(t, payment.ClassRejected, r.Class)
	require.Empty(t, readLedger(t, path))
}
