package contract_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// The payload of an event is as the contract describes it: without unknown members, and with every required one.
func TestWebhookEvent_IsAsInTheContract(t *testing.T) {
	t.Parallel()
	schemas := readContract(t).doc.Components.Schemas
	event, data := schemas["WebhookEvent"].Value, schemas["WebhookData"].Value
	for _, p := range []payment.Payment{
		{State: payment.StateProcessing},
		{State: payment.StateSucceeded, TransactionID: "txn-1", Gateway: "bank"},
		{State: payment.StateDeclined, Code: "card_declined", Operation: payment.OperationID{Kind: payment.KindRefund, Name: "r-1"}},
	} {
		p.OrderID, p.Money, p.CreatedAt, p.UpdatedAt = "order-1", money(t, "100.00", "USD"), noon, noon
		c := payment.Change{Type: p.ChangeType(), Was: payment.StateProcessing, Payment: p}
		var value map[string]any
		require.NoError(t, json.Unmarshal(c.Payload(7), &value))
		require.NoError(t, event.VisitJSON(value), string(c.Payload(7)))
		for name := range value {
			require.Contains(t, event.Properties, name)
		}
		members, object := value["data"].(map[string]any)
		require.True(t, object)
		for name := range members {
			require.Contains(t, data.Properties, name)
		}
		for _, name := range data.Required {
			require.Contains(t, value["data"], name)
		}
	}
}

func TestWebhookEvent_TypesMatchTheContract(t *testing.T) {
	t.Parallel()
	pattern := readContract(t).doc.Components.Schemas["WebhookEvent"].Value.Properties["type"].Value
	for _, each := range payment.ChangeTypes() {
		require.NoError(t, pattern.VisitJSON(string(each)))
		require.Equal(t, 1, strings.Count(string(each), "."))
	}
}
