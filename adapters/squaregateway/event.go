package squaregateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"

	"paymentd/core/payment"
)

// signatureHeader has the signature of an event ("Verify and Validate an Event Notification").
const signatureHeader = "X-Square-Hmacsha256-Signature"

// maxEventBytes is far more than an event about a payment or a refund.
const maxEventBytes = 256 << 10

var (
	// ErrSignature: the event was not signed with the webhook's key for its notification URL.
	ErrSignature = errors.New("the signature of the event is missing or wrong")
	// ErrEvent: the event is signed, and cannot be read.
	ErrEvent = errors.New("the event cannot be read")
)

// Webhook is a webhook subscription of Square.
type Webhook struct {
	// SignatureKey is the subscription's key, as Square shows it.
	SignatureKey string
	// NotificationURL is the URL of the subscription, byte for byte, because the signature covers it.
	NotificationURL string
}

// Event is a notification of Square. It is a reason to look the payment up, and not a truth: Square
// signs no time, so that an old event can be sent again. Duplicates have the same ID.
type Event struct {
	ID         string
	Type       string // such as payment.updated
	MerchantID string
	Created    time.Time // zero if it cannot be read
	// Operation is what the event is about: a charge, unless the type is one of refunds.
	Operation payment.Kind
	// PaymentID, Key, OrderID, LocationID and Status are those of the payment, for an event about one. Key
	// is its reference_id, and OrderID its note. For an event about a refund, they are those of the refund,
	// and Key and OrderID are in its reason; both are empty if the refund is not ours.
	PaymentID  string
	RefundID   string
	Key        payment.GatewayKey
	OrderID    string
	LocationID string
	Status     string
	// Held means that the event is about a payment whose money is held until a capture or a void.
	Held bool
}

// Sign returns the signature of a body: the base64 of its HMAC-SHA256 after the notification URL.
func (w Webhook) Sign(body []byte) string {
	mac := hmac.New(sha256.New, []byte(w.SignatureKey))
	mac.Write([]byte(w.NotificationURL))
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Event verifies and reads a notification: its header and its raw body. The error is [ErrSignature] or
// [ErrEvent].
func (w Webhook) Event(header http.Header, body []byte) (Event, error) {
	signatures := header[signatureHeader]
	if w.SignatureKey == "" || len(signatures) != 1 || len(body) > maxEventBytes ||
		!hmac.Equal([]byte(signatures[0]), []byte(w.Sign(body))) {
		return Event{}, ErrSignature
	}
	o, err := readObject(body)
	if err != nil {
		return Event{}, errors.Join(ErrEvent, err)
	}
	e := Event{ID: o.text("event_id"), Type: o.text("type"), MerchantID: o.text("merchant_id")}
	if !printable(e.ID) || len(e.ID) > maxIDBytes || !printable(e.Type) {
		return Event{}, ErrEvent
	}
	e.Created, _ = time.Parse(time.RFC3339, o.text("created_at"))
	about := o.object("data").object("object")
	if strings.HasPrefix(e.Type, "refund.") {
		e.Operation = payment.KindRefund
		if r := readRefund(about.object("refund")); r != nil {
			e.RefundID, e.PaymentID = r.id, r.payment
			e.Key, e.OrderID, e.LocationID, e.Status = r.key, r.order, r.location, r.status
		}
	} else if p := readPayment(about.object("payment")); p != nil {
		e.PaymentID, e.OrderID, e.LocationID, e.Status = p.id, p.note, p.location, p.status
		e.Held = p.status == statusApproved && p.holds(payment.CaptureAutomatic)
		if printable(p.reference) {
			e.Key = payment.GatewayKey(p.reference)
		}
	}
	return e, nil
}

// Says returns what the event reports of a charge or a refund; empty for an event that is not about the status of
// one.
func (e Event) Says() payment.LookupResult {
	switch e.Type {
	case "payment.created", "payment.updated":
		return e.saysOfCharge()
	case "refund.created", "refund.updated": // "Refunds API Webhooks"
		return e.saysOfRefund()
	}
	return ""
}

func (e Event) saysOfRefund() payment.LookupResult {
	switch e.Status {
	case statusCompleted:
		return payment.FoundApproved
	case statusPending:
		return payment.FoundPending
	case statusRejected, statusFailed: // also of a refund that was COMPLETED before: the event does not say
		return payment.FoundReturned
	}
	return ""
}

func (e Event) saysOfCharge() payment.LookupResult {
	if e.Held {
		return payment.FoundAuthorized
	}
	switch e.Status {
	case statusCompleted:
		return payment.FoundApproved
	case statusApproved, statusPending:
		return payment.FoundPending
	case statusCanceled:
		return payment.FoundVoided
	case statusFailed:
		return payment.FoundDeclined
	}
	return ""
}

// Ours reports whether the event is about a payment or a refund of this location.
func (g *Gateway) Ours(e Event) bool { return e.LocationID == "" || e.LocationID == g.location }
