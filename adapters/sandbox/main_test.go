package sandbox_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/sandbox"
	"paymentd/core/payment"
	"paymentd/internal/leaktest"
)

// TestMain runs the second process of the crash test if its variable is set.
func TestMain(m *testing.M) {
	if path := os.Getenv(serveLedgerVariable); path != "" {
		serveUntilKilled(path)
	}
	// net/http keeps a connection that it has closed for half a second.
	leaktest.Main(m, "net/http.(*conn).closeWriteAndWait")
}

func ledgerPath(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "ledger.jsonl")
}

func open(t testing.TB, path string, opts ...sandbox.Option) *sandbox.Gateway {
	t.Helper()
	g, err := sandbox.Open(path, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, g.Close()) })
	return g
}

func money(t testing.TB, amount, code string) payment.Money {
	t.Helper()
	c, err := payment.ParseCurrency(code)
	require.NoError(t, err)
	m, err := payment.ParseMoney(amount, c)
	require.NoError(t, err)
	return m
}

// charge returns a charge in USD whose order id is the key.
func charge(t testing.TB, key, amount string) payment.Charge {
	t.Helper()
	return payment.Charge{
		Key: payment.GatewayKey(key), OrderID: payment.OrderID("order-" + key), Money: money(t, amount, "USD"),
	}
}
