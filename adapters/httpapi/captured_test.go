package httpapi_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/httpapi"
	"paymentd/core/payment"
)

// Lists say how much of a hold was captured, and nothing of other payments.
func TestViewPayment_OfAPartialCapture_HasWhatWasCaptured(t *testing.T) {
	t.Parallel()
	p := payment.Payment{
		OrderID: "order-1", Money: money(t, "10", "USD"), State: payment.StateSucceeded, TransactionID: "txn-1",
		Capture: payment.CaptureManual, CapturedMinor: 600, CreatedAt: at(0), UpdatedAt: at(time.Second),
	}
	require.Equal(t, "6.00", httpapi.ViewPayment(p).Captured)
	p.State = payment.StateAuthorized
	require.Empty(t, httpapi.ViewPayment(p).Captured)
	p.State, p.Capture = payment.StateSucceeded, payment.CaptureAutomatic
	require.Empty(t, httpapi.ViewPayment(p).Captured)
}
