package httpgateway_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/httpgateway"
	"paymentd/adapters/sandbox"
	"paymentd/core/payment"
	"paymentd/ports"
	"paymentd/ports/portstest"
)

var _ ports.Gateway = (*httpgateway.Gateway)(nil)

// The contract over a real socket, with the sandbox as the gateway.
func TestGateway_Contract(t *testing.T) {
	t.Parallel()
	portstest.Gateway(t, func(t testing.TB) portstest.GatewayUnderTest {
		t.Helper()
		gateway, err := sandbox.Open(filepath.Join(t.TempDir(), "ledger.jsonl"))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, gateway.Close()) })
		server := httptest.NewServer(sandbox.Handler(gateway))
		t.Cleanup(server.Close)

		g, err := httpgateway.New(server.URL, longTimeout)
		require.NoError(t, err)
		t.Cleanup(g.Close)
		return portstest.GatewayUnderTest{
			Gateway:  g,
			Approved: dollars(t, "100"),
			Declined: dollars(t, "9402"),
			Slow:     dollars(t, "9508"),
			Method:   "pm_1", OtherMethod: "pm_2",
			Pending: func(c payment.Charge) payment.Charge {
				c.Money = dollars(t, "9201")
				return c
			},
			Complete: func(key payment.GatewayKey, approve bool) {
				require.True(t, gateway.Complete(t.Context(), key, approve))
			},
			Charges: func(key payment.GatewayKey) int {
				return charges(t, server.URL, key)
			},
			DeclinedRefund: ofLarge(t, g, "9402"),
			PendingRefund:  ofLarge(t, g, "9201"),
			CompleteRefund: func(key payment.GatewayKey, approve bool) {
				require.True(t, gateway.CompleteRefund(t.Context(), key, approve))
			},
			ReturnRefund: func(key payment.GatewayKey) { require.True(t, gateway.Return(t.Context(), key)) },
			Refunds:      func(key payment.GatewayKey) int { return charges(t, server.URL, key) },

			Holds:           true,
			ExpireHold:      func(key payment.GatewayKey) { require.True(t, gateway.ExpireHold(t.Context(), key)) },
			DeclinedCapture: ofLarge(t, g, "9402"),
			PendingCapture:  ofLarge(t, g, "9201"),
			PendingVoid: func(c payment.Charge) payment.Charge {
				return of(t, g, c, "9314", dollars(t, "9314"))
			},
			CompleteOperation: func(c payment.Charge, approve bool) {
				require.True(t, gateway.CompleteOperation(t.Context(), c.Operation.Kind, c.Key, approve))
			},
			Captures: func(key payment.GatewayKey) int { return charges(t, server.URL, key) },
		}
	})
}

// ofLarge turns a refund or a capture into one of a magic amount, of a charge that is large enough.
func ofLarge(t testing.TB, g *httpgateway.Gateway, amount string) func(payment.Charge) payment.Charge {
	t.Helper()
	return func(c payment.Charge) payment.Charge { return of(t, g, c, "20000", dollars(t, amount)) }
}

// of turns an operation into one of another charge, of the amount whole.
func of(t testing.TB, g *httpgateway.Gateway, c payment.Charge, whole string, m payment.Money) payment.Charge {
	t.Helper()
	charge := payment.Charge{Key: "of-" + c.Key, OrderID: c.OrderID, Money: dollars(t, whole)}
	want := payment.ClassApproved
	if c.Operation.Kind != payment.KindRefund {
		charge.Capture, want = payment.CaptureManual, payment.ClassAuthorized
	}
	r := g.Charge(t.Context(), charge)
	require.Equal(t, want, r.Class)
	c.Of.Key, c.Of.TransactionID, c.Money = charge.Key, r.TransactionID, m
	return c
}

// charges returns how often money was taken, or given back, with the key, according to the sandbox's ledger.
func charges(t testing.TB, base string, key payment.GatewayKey) (n int) {
	t.Helper()
	resp, err := http.Get(base + "/ledger")
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	for lines := json.NewDecoder(resp.Body); ; {
		var line struct{ Key, Status string }
		err := lines.Decode(&line)
		if errors.Is(err, io.EOF) {
			return n
		}
		require.NoError(t, err)
		if line.Key == string(key) && line.Status == "succeeded" {
			n++
		}
	}
}
