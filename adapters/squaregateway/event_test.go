package squaregateway_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/squaregateway"
	"paymentd/adapters/squaregateway/squarefake"
	"paymentd/core/payment"
)

var webhook = squaregateway.Webhook{SignatureKey: "signature-key", NotificationURL: "https://pay.example/gateways/square/events"}

func TestEvent_OfThePayment_IsRead(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{})
	id := b.charge(cardOK, payment.ClassApproved).TransactionID
	header, body, err := b.fake.Event("payment.updated", id, webhook.SignatureKey, webhook.NotificationURL)
	require.NoError(t, err)
	e, err := webhook.Event(header, body)
	require.NoError(t, err)
	require.False(t, e.Created.IsZero())
	e.Created = e.Created.Truncate(0).UTC()
	require.Equal(t, squaregateway.Event{
		ID: "event-1", Type: "payment.updated", MerchantID: "MFAKE", Created: e.Created,
		PaymentID: id, Key: key, OrderID: "order-1", LocationID: squarefake.DefaultLocation, Status: "COMPLETED",
	}, e)

	require.Equal(t, payment.FoundApproved, e.Says())
	require.True(t, b.Ours(e))
	e.LocationID = "LOTHER"
	require.False(t, b.Ours(e))

	again, err := webhook.Event(header, body) // no time is signed: a duplicate has the same id
	require.NoError(t, err)
	require.Equal(t, e.ID, again.ID)
}

func TestEvent_WrongSignature_IsRefused(t *testing.T) {
	t.Parallel()
	body := []byte(`{"merchant_id":"M","type":"payment.updated","event_id":"e1"}`)
	signed := func(key, url string, body []byte) http.Header {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(url))
		mac.Write(body)
		return http.Header{"X-Square-Hmacsha256-Signature": {base64.StdEncoding.EncodeToString(mac.Sum(nil))}}
	}
	right := signed(webhook.SignatureKey, webhook.NotificationURL, body)
	_, err := webhook.Event(right, body)
	require.NoError(t, err)
	one := right.Get("X-Square-Hmacsha256-Signature")
	for name, header := range map[string]http.Header{
		"none":           {},
		"another key":    signed("other", webhook.NotificationURL, body),
		"another URL":    signed(webhook.SignatureKey, webhook.NotificationURL+"/", body),
		"http":           signed(webhook.SignatureKey, strings.Replace(webhook.NotificationURL, "https", "http", 1), body),
		"another body":   signed(webhook.SignatureKey, webhook.NotificationURL, append(body, ' ')),
		"two":            {"X-Square-Hmacsha256-Signature": {one, one}},
		"the old header": {"X-Square-Signature": {one}},
		"hex":            {"X-Square-Hmacsha256-Signature": {"00" + one}},
		"empty":          {"X-Square-Hmacsha256-Signature": {""}},
	} {
		_, err := webhook.Event(header, body)
		require.ErrorIs(t, err, squaregateway.ErrSignature, name)
	}
	_, err = squaregateway.Webhook{NotificationURL: webhook.NotificationURL}.Event(signed("", webhook.NotificationURL, body), body)
	require.ErrorIs(t, err, squaregateway.ErrSignature, "without a key everything would be signed")
	long := []byte(strings.Repeat(" ", 300<<10))
	_, err = webhook.Event(signed(webhook.SignatureKey, webhook.NotificationURL, long), long)
	require.ErrorIs(t, err, squaregateway.ErrSignature)
}

func TestEvent_SignedButUnreadable(t *testing.T) {
	t.Parallel()
	for _, body := range []string{``, `[]`, `{}`, `{"event_id":"e"}`, `{"type":"t"}`, `{"event_id":"a b","type":"t"}`, `{"event_id":"e","event_id":"f","type":"t"}`} {
		header := http.Header{}
		header.Set("x-square-hmacsha256-signature", webhook.Sign([]byte(body)))
		_, err := webhook.Event(header, []byte(body))
		require.ErrorIs(t, err, squaregateway.ErrEvent, body)
	}
	// An event that is about no payment has none.
	body := []byte(`{"event_id":"e","type":"payout.sent","data":{"object":{"payout":{"id":"r"}}}}`)
	header := http.Header{"X-Square-Hmacsha256-Signature": {webhook.Sign(body)}}
	e, err := webhook.Event(header, body)
	require.NoError(t, err)
	require.Equal(t, squaregateway.Event{ID: "e", Type: "payout.sent"}, e)
}

func TestEvent_Says(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]payment.LookupResult{
		"COMPLETED": payment.FoundApproved, "APPROVED": payment.FoundPending, "PENDING": payment.FoundPending,
		"CANCELED": payment.FoundVoided, "FAILED": payment.FoundDeclined, "NEW": "", "": "",
	} {
		for _, kind := range []string{"payment.created", "payment.updated"} {
			require.Equal(t, want, squaregateway.Event{Type: kind, Status: status}.Says(), status)
		}
		require.Empty(t, squaregateway.Event{Type: "payout.sent", Status: status}.Says())
	}
	for status, want := range map[string]payment.LookupResult{
		"COMPLETED": payment.FoundApproved, "PENDING": payment.FoundPending, "REJECTED": payment.FoundReturned,
		"FAILED": payment.FoundReturned, "APPROVED": "", "": "",
	} {
		for _, kind := range []string{"refund.created", "refund.updated"} {
			require.Equal(t, want, squaregateway.Event{Type: kind, Status: status}.Says(), status)
		}
	}
}

// An event about a refund has the key and the order of the reason.
func TestEvent_OfTheRefund_IsRead(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{PendingRefunds: true})
	c := b.refundOf()
	id := b.refund(c, payment.ClassPending).Reference
	for _, step := range []struct {
		status string
		want   payment.LookupResult
	}{{"PENDING", payment.FoundPending}, {"COMPLETED", payment.FoundApproved}, {"FAILED", payment.FoundReturned}} {
		if step.status != "PENDING" {
			require.NoError(t, b.fake.DecideRefund(string(refundKey), step.status))
		}
		for _, kind := range []string{"refund.created", "refund.updated"} {
			header, body, err := b.fake.Event(kind, id, webhook.SignatureKey, webhook.NotificationURL)
			require.NoError(t, err)
			e, err := webhook.Event(header, body)
			require.NoError(t, err)
			require.Equal(t, squaregateway.Event{
				ID: e.ID, Type: kind, MerchantID: "MFAKE", Created: e.Created, Operation: payment.KindRefund,
				PaymentID: c.Of.TransactionID, RefundID: id, Key: refundKey, OrderID: "order-1",
				LocationID: squarefake.DefaultLocation, Status: step.status,
			}, e)
			require.Equal(t, step.want, e.Says())
			require.True(t, b.Ours(e))
		}
	}
}

// A refund that a person has made in Square's dashboard has words of theirs as its reason, which are no key.
func TestEvent_OfARefundByHand_HasNoKey(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{"", "Returned goods", "key-1 order-1", "paymentd", "paymentd ", "paymentd  order-1"} {
		body := []byte(`{"event_id":"e","type":"refund.updated","data":{"object":{"refund":{"id":"r","status":"COMPLETED","reason":"` + reason + `"}}}}`)
		e, err := webhook.Event(http.Header{"X-Square-Hmacsha256-Signature": {webhook.Sign(body)}}, body)
		require.NoError(t, err)
		require.Empty(t, e.Key, reason)
		require.Empty(t, e.OrderID, reason)
		require.Equal(t, payment.KindRefund, e.Operation)
	}
}
