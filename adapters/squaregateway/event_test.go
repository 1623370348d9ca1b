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
	body := []byte(`{"event_id":"e","type":"refund.created","data":{"object":{"refund":{"id":"r"}}}}`)
	header := http.Header{"X-Square-Hmacsha256-Signature": {webhook.Sign(body)}}
	e, err := webhook.Event(header, body)
	require.NoError(t, err)
	require.Equal(t, squaregateway.Event{ID: "e", Type: "refund.created"}, e)
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
		require.Empty(t, squaregateway.Event{Type: "refund.updated", Status: status}.Says())
	}
}
