package contract_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"paymentd/adapters/httpapi"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

const oneRefund = `{"refund_id":"refund-1","amount":25.00,"reason":"damaged in transit"}`

func refunding(body string, header ...string) func(*service, ...string) answer {
	return func(s *service, more ...string) answer {
		header := slices.Concat([]string{"Content-Type: application/json"}, header, more)
		return s.request(http.MethodPost, "/payments/order-123/refunds", body, header...)
	}
}

// historyRefunded is the payment of the examples with its refund.
func historyRefunded(t *testing.T) ports.History {
	t.Helper()
	h := historySucceeded(t)
	h.Payment.RefundReserved = 2500
	h.Payment.UpdatedAt = at(10*time.Minute + time.Second)
	r := payment.Payment{
		OrderID: "order-123", Operation: payment.OperationID{Kind: payment.KindRefund, Name: "refund-1"},
		Money: money(t, "25", "USD"), Note: "damaged in transit", State: payment.StateSucceeded, Fence: 1,
		TransactionID: "txn-21409", CreatedAt: at(10 * time.Minute), UpdatedAt: at(10*time.Minute + time.Second), SeenAt: at(time.Hour),
	}
	r.Attempt = payment.Attempt{
		Number: 1, Fence: 1, Replica: "shop-1", GatewayKey: "019cb8ae-9540-7000-8000-000000000002",
		StartedAt: r.CreatedAt, EndedAt: r.UpdatedAt, Class: payment.ClassApproved,
	}
	h.Operations = []ports.History{{Payment: r, Attempts: []payment.Attempt{r.Attempt}}}
	return h
}

// refundScenarios are about the outcomes of the operation that refunds.
func refundScenarios() map[string]scenario {
	const location = "/payments/order-123/refunds/refund-1"
	made := core.Answer{State: payment.StateSucceeded, TransactionID: "txn-21409"}
	again := made
	again.Replayed = true
	return map[string]scenario{
		"refunded":        {p: answering(made), header: map[string]string{"Idempotent-Replayed": ""}},
		"refund_replayed": {p: answering(again), header: map[string]string{"Idempotent-Replayed": "true"}},
		"refund_accepted": {
			p:      answering(core.Answer{State: payment.StateScheduled, Async: true}),
			send:   refunding(oneRefund, "Prefer: respond-async"),
			header: map[string]string{"Preference-Applied": "respond-async", "Location": location},
		},
		"refund_pending":    {p: answered(payment.StatePending, ""), header: map[string]string{"Location": location}},
		"refund_unresolved": {p: answered(payment.StateUnresolved, ""), header: map[string]string{"Location": location}},
		"refund_declined":   {p: answered(payment.StateDeclined, "insufficient_funds")},
		"refund_returned":   {p: answered(payment.StateDeclined, payment.CodeRefundReturned)},
		"refund_exhausted":  {p: answered(payment.StateFailed, payment.CodeRetriesExhausted)},
		"refund_rejected":   {p: answered(payment.StateFailed, payment.CodeRejected)},
	}
}

// refundErrorScenarios are about requests to refund that are refused or fail.
func refundErrorScenarios(t *testing.T) map[string]scenario {
	t.Helper()
	exceeds := &payment.OperationRefusedError{
		Why: "the refund exceeds what is left of the payment: 75.00 USD; refund at most that", Left: money(t, "75", "USD"),
	}
	return map[string]scenario{
		"refund_without_body":         {send: refunding("")},
		"refund_with_misspelt_member": {send: refunding(`{"refund_id":"refund-1","amout":25.00}`)},
		"refund_of_nothing":           {send: refunding(`{"refund_id":"refund-1","amount":0}`)},
		"refund_with_a_card_number":   {send: refunding(`{"refund_id":"refund-1","reason":"card 4242 4242 4242 4242"}`)},
		"refund_of_unknown_order":     {p: ending(ports.ErrNotFound)},
		"slow_refund": {
			options: func(o *httpapi.Options) { o.ReadTimeout = 50 * time.Millisecond },
			send: func(s *service, header ...string) answer {
				return s.raw("POST /payments/order-123/refunds HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" +
					"Content-Length: 10\r\n" + strings.Join(append(header, ""), "\r\n") + "\r\n{")
			},
		},
		"refund_in_progress": {
			p: ending(core.ErrBusy), send: refunding(oneRefund, "Prefer: wait=0"),
			header: map[string]string{"Preference-Applied": "wait=0", "Retry-After": "1"},
		},
		"refund_of_open_payment":  {p: ending(payment.ErrChargeOpen), header: map[string]string{"Retry-After": "5"}},
		"refund_at_other_gateway": {p: ending(core.ErrForeignGateway), header: map[string]string{"Retry-After": "60"}},
		"long_refund":             {send: refunding(strings.Repeat(" ", 65537))},
		"refund_not_json":         {send: refunding(oneRefund, "Content-Type: text/plain")},
		"refund_compressed":       {send: refunding(oneRefund, "Content-Encoding: gzip")},
		"refund_exceeds":          {p: ending(exceeds)},
		"refund_of_declined": {p: ending(&payment.OperationRefusedError{
			Why: "the payment is declined; only a succeeded payment can be refunded", State: payment.StateDeclined,
		})},
		"other_refund_amount":     {p: ending(core.ErrMismatch)},
		"refund_without_database": {p: ending(ports.ErrUnavailable), header: map[string]string{"Retry-After": "2"}},
		"refund_without_gateway": {
			p: ending(&core.GatewaysUnavailableError{RetryAfter: 3 * time.Second}), header: map[string]string{"Retry-After": "3"},
		},
		"refund_in_doubt":  {p: ending(ports.ErrInDoubt)},
		"refund_cut_short": {p: ending(context.Canceled)},
	}
}

// refundReadScenarios are about the operations that read refunds.
func refundReadScenarios(t *testing.T) map[string]scenario {
	t.Helper()
	h := historyRefunded(t)
	return map[string]scenario{
		"refunds":                          {p: knowing(h)},
		"no_refunds":                       {p: knowing(historySucceeded(t))},
		"refund":                           {p: knowing(h)},
		"unknown_refund":                   {p: knowing(h), send: getting("/payments/order-123/refunds/refund-2")},
		"refund_of_no_order":               {p: ending(ports.ErrNotFound)},
		"refunds_of_unknown_order":         {p: ending(ports.ErrNotFound)},
		"refunds_of_order_id_with_a_space": {send: getting("/payments/a%20b/refunds")},
		"refund_id_with_a_space":           {send: getting("/payments/order-123/refunds/a%20b")},
	}
}
