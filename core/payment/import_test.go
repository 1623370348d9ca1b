package payment_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func importedCharge(t *testing.T) payment.Import {
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

func TestImport_Check(t *testing.T) {
	t.Parallel()
	require.NoError(t, importedCharge(t).Check())
	for field, spoil := range map[string]func(*payment.Import){
		"by":             func(i *payment.Import) { i.By = "" },
		"key":            func(i *payment.Import) { i.Key = payment.GatewayKey(strings.Repeat("k", 65)) },
		"transaction_id": func(i *payment.Import) { i.TransactionID = "" },
		"order_id":       func(i *payment.Import) { i.Money = payment.Money{} },
	} {
		i := importedCharge(t)
		spoil(&i)
		var wrong *payment.FieldError
		require.ErrorAs(t, i.Check(), &wrong, field)
		require.Equal(t, field, wrong.Field)
	}
	spaced := importedCharge(t)
	spaced.Key = "a key"
	require.Error(t, spaced.Check())
}

// The backup was made between a decline and a later success: without the import, the order would be
// charged again with a third key.
func TestImport_OverADecline(t *testing.T) {
	t.Parallel()
	i := importedCharge(t)
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

	// A worker held a claim when the backup was made: what it sent is recorded as lost.
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
	require.Len(t, d.Keys, 1, "the key that the payment leaves is looked up until it is closed")
	require.Equal(t, payment.GatewayKey("key-1"), d.Keys[0].Key)
	require.Equal(t, now, d.Keys[0].DueAt)
	require.Empty(t, d.Keys[0].Closed)
}

// An import is refused if it could hide a second charge, unless Overwrite is set. A repeat changes nothing.
func TestImport_OverEachState(t *testing.T) {
	t.Parallel()
	now := noon.Add(10 * time.Second)
	for _, state := range payment.States() {
		for _, key := range []payment.GatewayKey{"key-1", "key-2"} {
			for _, overwrite := range []bool{false, true} {
				i := importedCharge(t)
				i.Key, i.Overwrite, i.Rules = key, overwrite, rules()
				p := inState(t, state)
				d, err := apply(i, p, now)
				open := state == payment.StateProcessing || inDoubt(state)
				if state.Approved() || open && key != "key-1" && !overwrite {
					var refused *payment.ImportRefusedError
					require.ErrorAs(t, err, &refused, "%s %s", state, key)
					require.Equal(t, payment.Decision{}, d)
					continue
				}
				require.NoError(t, err, "%s %s", state, key)
				require.Equal(t, payment.StateSucceeded, d.Payment.State)
				require.Equal(t, key, d.Payment.GatewayKey)
				require.Equal(t, p.Fence+1, d.Payment.Fence)
				requireLeftKey(t, p, d, key, now)
				again, err := apply(i, d.Payment, now)
				require.NoError(t, err)
				require.Equal(t, payment.VerdictReplay, again.Verdict)
				requireUnchanged(t, d.Payment, again)
			}
		}
	}
}
