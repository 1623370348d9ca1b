package payment_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func TestDecisionChanges_StateChanges(t *testing.T) {
	t.Parallel()
	charge := func(s payment.State) payment.Payment { return payment.Payment{OrderID: "order-1", State: s} }
	refund := func(s payment.State) payment.Payment {
		return payment.Payment{OrderID: "order-1", State: s, Operation: payment.OperationID{Kind: payment.KindRefund, Name: "r-1"}}
	}
	succeeded, declined := charge(payment.StateSucceeded), charge(payment.StateDeclined)
	for name, c := range map[string]struct {
		before, charge payment.Payment
		decision       payment.Decision
		want           []payment.ChangeType
	}{
		"a new payment": {
			decision: payment.Decision{Write: true, Payment: charge(payment.StateProcessing)},
			want:     []payment.ChangeType{"payment.processing"},
		},
		"a settled payment": {
			before:   charge(payment.StateProcessing),
			decision: payment.Decision{Write: true, Payment: succeeded},
			want:     []payment.ChangeType{"payment.succeeded"},
		},
		"the same state": {
			before:   charge(payment.StateProcessing),
			decision: payment.Decision{Write: true, Payment: charge(payment.StateProcessing)},
		},
		"nothing is written": {
			before: charge(payment.StateProcessing), decision: payment.Decision{Payment: succeeded},
		},
		"a refund whose money came back": {
			before:   refund(payment.StateSucceeded),
			charge:   succeeded,
			decision: payment.Decision{Write: true, Payment: refund(payment.StateDeclined), Charge: &succeeded},
			want:     []payment.ChangeType{"refund.declined"},
		},
		"an operation that changes its charge as well": {
			before:   refund(payment.StateProcessing),
			charge:   succeeded,
			decision: payment.Decision{Write: true, Payment: refund(payment.StateSucceeded), Charge: &declined},
			want:     []payment.ChangeType{"refund.succeeded", "payment.declined"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var types []payment.ChangeType
			for _, change := range c.decision.Changes(c.before, c.charge) {
				types = append(types, change.Type)
			}
			require.Equal(t, c.want, types)
		})
	}
}

func TestParseChangePattern(t *testing.T) {
	t.Parallel()
	for text, matches := range map[string]int{
		"*": len(payment.ChangeTypes()), "payment.*": len(payment.States()), "refund.*": len(payment.States()) - 2,
		"payment.succeeded": 1, "refund.declined": 1,
	} {
		pattern, err := payment.ParseChangePattern(text)
		require.NoError(t, err, text)
		n := 0
		for _, each := range payment.ChangeTypes() {
			if pattern.Matches(each) {
				n++
			}
		}
		require.Equal(t, matches, n, text)
	}
	for _, text := range []string{
		"", "payment", "payment.", "payment.gone", "pay*", "**", ".*", "Payment.succeeded", "*.succeeded",
		"refund.authorized", "void.voided",
	} {
		_, err := payment.ParseChangePattern(text)
		require.Error(t, err, text)
	}
}

func TestChangeSequence_GrowsWithinAnOrder(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 5, 6, 7, 8000, time.UTC)
	c := payment.Change{Payment: payment.Payment{OrderID: "order-1", UpdatedAt: at}}
	require.Equal(t, at.UnixMicro(), c.Sequence(0))
	require.Equal(t, at.UnixMicro()+6, c.Sequence(at.UnixMicro()+5), "the clock has stepped back")
}

func TestChangeID_HasTheSequence(t *testing.T) {
	t.Parallel()
	id := payment.NewChangeID("order-1", 1_772_600_000_000_000)
	sequence, ok := id.Sequence()
	require.True(t, ok)
	require.Equal(t, int64(1_772_600_000_000_000), sequence)
	require.NotEqual(t, id, payment.NewChangeID("order-2", 1_772_600_000_000_000))
	for _, text := range []payment.ChangeID{"", "evt_", "evt_1", "evt_x_0123456789abcdef", "txn_1_0123456789abcdef", "evt_-1_0123456789abcdef"} {
		_, ok := text.Sequence()
		require.False(t, ok, text)
	}
}

func TestChangePayload(t *testing.T) {
	t.Parallel()
	usd, err := payment.ParseCurrency("USD")
	require.NoError(t, err)
	money, err := payment.MoneyFromMinor(2500, usd)
	require.NoError(t, err)
	at := time.Date(2026, 3, 4, 5, 6, 7, 8000, time.UTC)
	c := payment.Change{
		Type: "refund.succeeded", Was: payment.StateProcessing,
		Payment: payment.Payment{
			OrderID: "order-1", Operation: payment.OperationID{Kind: payment.KindRefund, Name: "r-1"}, Money: money,
			State: payment.StateSucceeded, Gateway: "https://gateway.example", TransactionID: "txn-1",
			Method: "pm_secret", Reason: "a reason for operators", Note: "a note", CreatedAt: at, UpdatedAt: at.Add(time.Second),
		},
	}
	body := c.Payload(7)
	require.JSONEq(t, `{
		"type": "refund.succeeded", "version": 1, "id": "`+string(payment.NewChangeID("order-1", 7))+`", "sequence": 7,
		"timestamp": "2026-03-04T05:06:08.000008Z",
		"data": {
			"object": "refund", "order_id": "order-1", "operation_id": "r-1", "state": "succeeded",
			"previous_state": "processing", "amount": "25.00", "currency": "USD", "transaction_id": "txn-1",
			"gateway": "https://gateway.example", "created_at": "2026-03-04T05:06:07.000008Z"
		}
	}`, string(body))
	require.NotContains(t, string(body), "secret")
	require.True(t, json.Valid(body))
}
