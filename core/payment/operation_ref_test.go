package payment_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// A lookup of a key whose success is recorded names the transaction, so that a failure is a return. No other does.
func TestChargeRef_NamesTheRecordedSuccess(t *testing.T) {
	t.Parallel()
	p := payment.Payment{OrderID: "order-1", GatewayKey: "key-1", TransactionID: "txn-1", Capture: payment.CaptureManual}
	require.Equal(t, payment.CaptureManual, p.ChargeRef("key-0").Capture)
	for _, state := range []payment.State{
		payment.StateProcessing, payment.StateScheduled, payment.StatePending, payment.StateUnresolved,
		payment.StateDeclined, payment.StateFailed,
	} {
		p.State = state
		require.Empty(t, p.ChargeRef("key-1").TransactionID, state)
	}
	p.State = payment.StateSucceeded
	require.Equal(t, "txn-1", p.ChargeRef("key-1").TransactionID)
	require.Empty(t, p.ChargeRef("key-0").TransactionID)
}
