package payment_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func fromBooks(t *testing.T) payment.Import {
	t.Helper()
	currency, err := payment.ParseCurrency("USD")
	require.NoError(t, err)
	money, err := payment.ParseMoney("100.00", currency)
	require.NoError(t, err)
	return payment.Import{
		Charge:        payment.Charge{Key: "key-2", OrderID: "order-1", Money: money},
		TransactionID: "txn-2", By: "ada",
	}
}

func TestImportCheck(t *testing.T) {
	t.Parallel()
	require.NoError(t, fromBooks(t).Check())
	for field, spoil := range map[string]func(*payment.Import){
		"by":             func(i *payment.Import) { i.By = "" },
		"key":            func(i *payment.Import) { i.Key = payment.GatewayKey(strings.Repeat("k", 65)) },
		"transaction_id": func(i *payment.Import) { i.TransactionID = "" },
		"order_id":       func(i *payment.Import) { i.Money = payment.Money{} },
	} {
		i := fromBooks(t)
		spoil(&i)
		var wrong *payment.FieldError
		require.ErrorAs(t, i.Check(), &wrong, field)
		require.Equal(t, field, wrong.Field)
	}
	spaced := fromBooks(t)
	spaced.Key = "a key"
	require.Error(t, spaced.Check())
}

// TestImportOverADecline is a backup from between a decline and a later success: the table would
// have charged the order again, with a third key.
func TestImportOverADecline(t *testing.T) {
	t.Parallel()
	i := fromBooks(t)
	now := time.Date(2026, time.March, 4, 5, 6, 7, 0, time.UTC)
	declined := payment.Payment{
		OrderID: i.OrderID, Money: i.Money, State: payment.StateDeclined, GatewayKey: "key-1", Fence: 3, Code: "card_declined",
		Attempt: payment.Attempt{Number: 1, StartedAt: now.Add(-time.Hour), Class: payment.ClassDeclined},
	}
	d, err := i.Apply(declined, now)
	require.NoError(t, err)
	p := d.Payment
	require.Equal(t, payment.StateSucceeded, p.State)
	require.Equal(t, payment.GatewayKey("key-2"), p.GatewayKey)
	require.Equal(t, "txn-2", p.TransactionID)
	require.Empty(t, p.Code)
	require.Equal(t, int64(4), p.Fence)
	require.Equal(t, declined.Attempt, *d.PriorAttempt)
	require.Equal(t, 1, p.Attempts())
	require.Contains(t, d.Event.Detail, "was declined")

	// A worker was at it when the backup was made: what it has sent is not forgotten.
	claimed := declined
	claimed.State, claimed.DueAt = payment.StateProcessing, now.Add(time.Minute)
	claimed.Attempt.Class = ""
	_, err = apply(i, claimed, now)
	var refused *payment.ImportRefusedError
	require.ErrorAs(t, err, &refused)
	require.Contains(t, refused.Why, "key-1")
	require.Contains(t, refused.Why, "--overwrite")
	i.Overwrite = true
	d, err = apply(i, claimed, now)
	require.NoError(t, err)
	require.Equal(t, payment.ClassUnknownUnanswered, d.PriorAttempt.Class)
	require.False(t, d.Payment.Doubt.Any())
	require.True(t, d.Payment.DueAt.IsZero())
	require.Len(t, d.Keys, 1, "the key that it leaves is looked up until it is closed")
	require.Equal(t, payment.GatewayKey("key-1"), d.Keys[0].Key)
	require.Equal(t, now, d.Keys[0].DueAt)
	require.Empty(t, d.Keys[0].Closed)
}
