package stripegateway

import (
	"net/http"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/internal/httpcall"
)

// FuzzAnswer: for every answer to a charge, an unmarked answer proves nothing, an approval names the
// intent of this charge, a decline has one of our codes, and all texts are within the domain's bounds.
func FuzzAnswer(f *testing.F) {
	const intent = `{"id":"pi_1","object":"payment_intent","status":"succeeded","amount":700,"currency":"usd","livemode":false,` +
		`"metadata":{"paymentd_key":"key-1"},"next_action":{"redirect_to_url":{"url":"https://a"}}}`
	f.Add(200, "key-1", "", intent)
	f.Add(200, "key-2", "true", intent)
	f.Add(402, "key-1", "", `{"error":{"type":"card_error","code":"card_declined","decline_code":"lost_card","payment_intent":`+intent+`}}`)
	f.Add(409, "key-1", "false", `{"error":{"type":"idempotency_error","code":"idempotency_key_in_use"}}`)
	f.Add(429, "key-1", "true", `{"error":{"type":"invalid_request_error","code":"lock_timeout"}}`)
	f.Add(500, "", "", "<html>")
	currency, err := payment.ParseCurrency("USD")
	require.NoError(f, err)
	money, err := payment.ParseMoney("7", currency)
	require.NoError(f, err)
	c := payment.Charge{Key: "key-1", OrderID: "order-1", Money: money, Method: "pm_1"}
	f.Fuzz(func(t *testing.T, status int, mark, retry, body string) {
		a := answer{Answer: httpcall.Answer{
			Status: status, Header: http.Header{markHeader: {mark}, "Stripe-Should-Retry": {retry}, requestHeader: {"req_1"}},
		}, now: time.Now()}
		a.body, a.err = parseObject([]byte(body))
		r, confirmable := a.result(c, false)
		require.Equal(t, a.echoes("key-1"), r.Answered)
		if !r.Answered {
			require.Equal(t, payment.ClassUnknownUnanswered, r.Class)
			require.Empty(t, confirmable)
		}
		require.Equal(t, r.Class == payment.ClassApproved, r.TransactionID != "")
		if r.Class == payment.ClassApproved {
			require.Equal(t, http.StatusOK, status)
			require.Equal(t, "key-1", a.body.object("metadata").text(metaKey))
			require.EqualValues(t, 700, a.body.integer("amount"))
		}
		require.Equal(t, r.Class == payment.ClassDeclined, r.Code != "")
		if r.Code != "" {
			require.Contains(t, payment.DeclineCodes(), r.Code)
		}
		if confirmable != "" {
			require.True(t, validIntentID(confirmable))
			require.Contains(t, []payment.Class{payment.ClassDeclined, payment.ClassRejected}, r.Class)
		}
		require.Equal(t, r, r.Sanitized())
		require.LessOrEqual(t, len(r.Message), payment.MaxMessageBytes)
		require.True(t, utf8.ValidString(r.Message))
		a.read("list")
		a.read("payment_intent")
	})
}

// FuzzRefundAnswer: for every answer to a refund, an unmarked answer proves nothing, an approval names the refund with
// this key and amount of this charge, and a decline has a code.
func FuzzRefundAnswer(f *testing.F) {
	const refund = `{"id":"re_1","object":"refund","status":"succeeded","amount":700,"currency":"usd","payment_intent":"pi_1",` +
		`"metadata":{"paymentd_key":"key-1"}}`
	f.Add(200, "key-1", "", refund)
	f.Add(200, "key-2", "true", refund)
	f.Add(200, "key-1", "", `{"id":"re_1","object":"refund","status":"failed","amount":700,"currency":"usd","payment_intent":"pi_1",`+
		`"failure_reason":"expired_or_canceled_card","metadata":{"paymentd_key":"key-1"}}`)
	f.Add(400, "key-1", "", `{"error":{"type":"invalid_request_error","code":"charge_already_refunded"}}`)
	f.Add(400, "key-1", "true", `{"error":{"type":"invalid_request_error","param":"amount"}}`)
	f.Add(429, "key-1", "true", `{"error":{"type":"invalid_request_error","code":"lock_timeout"}}`)
	currency, err := payment.ParseCurrency("USD")
	require.NoError(f, err)
	money, err := payment.ParseMoney("7", currency)
	require.NoError(f, err)
	c := payment.Charge{Key: "key-1", OrderID: "order-1", Money: money, Of: payment.ChargeID{TransactionID: "pi_1"}}
	f.Fuzz(func(t *testing.T, status int, mark, retry, body string) {
		a := answer{Answer: httpcall.Answer{
			Status: status, Header: http.Header{markHeader: {mark}, "Stripe-Should-Retry": {retry}},
		}, now: time.Now()}
		a.body, a.err = parseObject([]byte(body))
		r := a.refundResult(c)
		require.Equal(t, a.echoes("key-1"), r.Answered)
		if !r.Answered {
			require.Equal(t, payment.ClassUnknownUnanswered, r.Class)
		}
		require.Equal(t, r.Class == payment.ClassApproved, r.TransactionID != "")
		if r.Class == payment.ClassApproved {
			require.Equal(t, http.StatusOK, status)
			require.Equal(t, "succeeded", a.body.text("status"))
			require.Equal(t, "key-1", a.body.object("metadata").text(metaKey))
			require.EqualValues(t, 700, a.body.integer("amount"))
			require.Equal(t, "pi_1", intentIDOf(a.body))
		}
		require.Equal(t, r.Class == payment.ClassDeclined, r.Code != "")
		if r.Code != "" {
			require.Contains(t, payment.DeclineCodes(), r.Code)
		}
		require.True(t, r.Reference == "" || validRefundID(r.Reference))
		require.Equal(t, r, r.Sanitized())
		require.LessOrEqual(t, len(r.Message), payment.MaxMessageBytes)
		require.True(t, utf8.ValidString(r.Message))
	})
}
