package stripefake

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// Event returns the body of a webhook about a PaymentIntent or a refund, such as "payment_intent.succeeded" or
// "refund.updated", with its present state. An event whose kind begins with "charge." has the charge, if the id is of a
// PaymentIntent. Empty if there is no such object.
func (f *Fake) Event(kind, id string) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	var object map[string]any
	i, r := f.copyOf(id), f.state.Refunds[id]
	switch {
	case i != nil && strings.HasPrefix(kind, "charge."):
		object = i.renderCharge()
	case i != nil:
		object = i.render(false)
	case r != nil:
		object = r.render()
	default:
		return nil
	}
	return encode(map[string]any{
		"id": "evt_" + token(24), "object": "event", "api_version": "2026-03-25.dahlia",
		"created": f.options.Clock().Unix(), "data": map[string]any{"object": object}, "livemode": false,
		"pending_webhooks": 1, "request": map[string]any{"id": "req_" + token(14), "idempotency_key": nil}, "type": kind,
	})
}

// Sign returns the header Stripe-Signature of a webhook (docs.stripe.com/webhooks/signature): HMAC-SHA256 of
// the time, a dot, and the raw body.
func Sign(body []byte, secret string, at time.Time) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = fmt.Fprintf(mac, "%d.", at.Unix())
	_, _ = mac.Write(body)
	return fmt.Sprintf("t=%d,v1=%s", at.Unix(), hex.EncodeToString(mac.Sum(nil)))
}
