package gateways_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/httpapi"
	"paymentd/core"
	"paymentd/core/payment"
)

// An event of a refund has the refund's own key, and that a refund failed is always news.
func TestEvents_StripeRefund(t *testing.T) {
	t.Parallel()
	o, err := openEvents(t, "stripe")
	require.NoError(t, err)
	body := `{"id":"evt_1","object":"event","type":"refund.updated","livemode":false,"data":{"object":{"object":"refund",` +
		`"id":"re_1","payment_intent":"pi_1","status":"STATUS","metadata":{"paymentd_key":"key-2","paymentd_order_id":"order-1"}}}}`
	for status, says := range map[string]payment.LookupResult{
		"succeeded": payment.FoundApproved, "pending": payment.FoundPending, "failed": payment.FoundReturned,
	} {
		e, err := o.read(secretText("a"), strings.Replace(body, "STATUS", status, 1), time.Now())
		require.NoError(t, err)
		require.Equal(t, httpapi.Event{GatewayEvent: core.GatewayEvent{
			ID: "evt_1", Kind: "refund.updated", Operation: payment.KindRefund, Gateway: "shop", OrderID: "order-1", Key: "key-2",
			Says: says,
		}}, e)
	}
	e, err := o.read(secretText("a"), strings.Replace(body, "STATUS", "patient", 1), time.Now())
	require.NoError(t, err)
	require.Equal(t, httpapi.EventIgnored, e.Skipped)
}
