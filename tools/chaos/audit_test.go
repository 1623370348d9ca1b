package chaos_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
	"paymentd/core/simulation/history"
)

// audit compares the ledgers of the gateways, the table and the responses that the clients received.
func audit(t *testing.T, w *world, c *workload) {
	t.Helper()
	taken := ledger(t, w)
	paidBy := make(map[string]string) // transaction by order, of the responses
	answered := make(map[string]bool)
	for _, op := range c.history() {
		if op.Response == history.Success {
			paidBy[op.OrderID] = op.TransactionID
		}
		if op.Response != history.Nothing && op.Response != history.Unavailable {
			answered[op.OrderID] = true
		}
	}
	states, at := make(map[string]int), make(map[string]int)
	for order := range c.orders() {
		p, err := apptest.Find(t.Context(), w.replicas[0].URL, order)
		require.NoError(t, err)
		states[p.State]++
		transactions := taken[order]
		require.LessOrEqual(t, len(transactions), 1, "order %s was charged twice: %v", order, transactions)
		switch p.State {
		case "succeeded":
			require.NotEmpty(t, transactions, "order %s was not charged: %s", order, p.Raw)
			require.Equal(t, p.TransactionID, transactions[0].id, "order %s: %s", order, p.Raw)
			if len(w.gateways) > 1 { // a gateway alone has no name
				require.Equal(t, transactions[0].gateway, p.Gateway, "order %s: %s", order, p.Raw)
			}
			at[transactions[0].gateway]++
		case "declined", "failed":
			require.Empty(t, transactions, "order %s was charged: %s", order, p.Raw)
		case "":
			require.False(t, answered[order], "order %s has a response and is lost", order)
			require.Empty(t, transactions, "order %s was charged and is lost", order)
		default:
			require.Fail(t, "a payment is not final", "order %s: %s", order, p.Raw)
		}
		if transaction, paid := paidBy[order]; paid {
			require.Equal(t, transaction, p.TransactionID, "the response for order %s differs: %s", order, p.Raw)
		}
	}
	t.Logf("the ledgers, the table and the clients agree on %d orders: %v, charged at %v", len(c.orders()), states, at)
}

// transaction is a charge that a gateway approved.
type transaction struct{ gateway, id string }

// ledger returns the transactions of the approved charges at all gateways, by order.
func ledger(t *testing.T, w *world) map[string][]transaction {
	t.Helper()
	taken := make(map[string][]transaction)
	for i, g := range w.gateways {
		a := apptest.Get(t.Context(), g.URL, "/ledger")
		require.NoError(t, a.Err)
		seen := make(map[string]bool) // a charge that is captured has two lines
		for line := range strings.Lines(a.Raw) {
			var entry struct {
				OrderID       string `json:"order_id"`
				ChargeKey     string `json:"charge_key"`
				TransactionID string `json:"transaction_id"`
			}
			require.NoError(t, json.Unmarshal([]byte(line), &entry))
			if entry.TransactionID != "" && entry.ChargeKey == "" && !seen[entry.TransactionID] {
				seen[entry.TransactionID] = true
				taken[entry.OrderID] = append(taken[entry.OrderID], transaction{gatewayNames[i], entry.TransactionID})
			}
		}
	}
	return taken
}
