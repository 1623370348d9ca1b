package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
)

// importCharge stores a succeeded payment with the transaction.
func (w *world) importCharge(id payment.OrderID, transactionID string) {
	w.t.Helper()
	_, err := core.Import(w.t.Context(), w.payments, payment.Import{
		Charge:        payment.Charge{Key: w.newKey(), OrderID: id, Money: money("100.00", "USD")},
		TransactionID: transactionID, By: "ann",
	})
	require.NoError(w.t, err)
}

func TestSweep_TwoOrdersWithOneTransaction_AreReportedOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for i, transactionID := range []string{"txn-1", "txn-2", "txn-1", "txn-3"} {
			w.importCharge(payment.OrderID("order-"+string(rune('a'+i))), transactionID)
		}
		a := w.replica("a")
		a.queue()
		w.sleepUntil(10 * time.Minute)
		require.Equal(t, 1, a.SharedTransactions())
		lines := a.log.linesWith([]string{"level=ERROR", "one transaction for several orders"})
		require.Len(t, lines, 1, "one line for several passes")
		require.Contains(t, lines[0], "txn-1")
		require.Contains(t, lines[0], "[order-a order-c]")
	})
}

func TestSweep_DatabaseUnavailable_ContinuesAfterOutage(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.importCharge("order-a", "txn-1")
		w.importCharge("order-b", "txn-1")
		a := w.replica("a")
		a.always("Transactions", fake.FailBefore)
		a.queue()
		w.sleepUntil(10 * time.Minute)
		require.Zero(t, a.SharedTransactions())
		a.heal()
		w.sleepUntil(12 * time.Minute)
		require.Equal(t, 1, a.SharedTransactions())
	})
}
