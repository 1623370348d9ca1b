package httpgateway

import (
	"errors"
	"net/http"
	"time"

	"paymentd/core/payment"
	"paymentd/internal/standardwebhooks"
)

// ErrEvent: an event is signed, and cannot be read.
var ErrEvent = errors.New("the event must be a JSON object with the strings type, order_id and key")

// Event is a signed event of the gateway protocol. It is a reason to look the operation up, and no proof.
type Event struct {
	ID   string // the same for each delivery
	Type string // such as charge.succeeded
	// Operation is the kind of operation that the event is about; that of a charge if Says is empty.
	Operation payment.Kind
	// OrderID is that of the charge, and Key that of the operation, as sent.
	OrderID string
	Key     payment.GatewayKey
	// Says is what the type reports; empty if it is none of the gateway protocol.
	Says payment.LookupResult
}

// eventType is what a type of events reports, of which kind of operation.
type eventType struct {
	operation payment.Kind
	says      payment.LookupResult
}

// eventTypes are the types of events of the gateway protocol.
var eventTypes = map[string]eventType{
	"charge.succeeded": {payment.KindCharge, payment.FoundApproved},
	"charge.declined":  {payment.KindCharge, payment.FoundDeclined},
	"charge.pending":   {payment.KindCharge, payment.FoundPending},
	"charge.voided":    {payment.KindCharge, payment.FoundVoided},

	"charge.authorized": {payment.KindCharge, payment.FoundAuthorized},

	"capture.succeeded": {payment.KindCapture, payment.FoundApproved},
	"capture.declined":  {payment.KindCapture, payment.FoundDeclined},
	"capture.pending":   {payment.KindCapture, payment.FoundPending},

	"void.succeeded": {payment.KindVoid, payment.FoundApproved},
	"void.declined":  {payment.KindVoid, payment.FoundDeclined},
	"void.pending":   {payment.KindVoid, payment.FoundPending},

	"refund.succeeded": {payment.KindRefund, payment.FoundApproved},
	"refund.declined":  {payment.KindRefund, payment.FoundDeclined},
	"refund.pending":   {payment.KindRefund, payment.FoundPending},
	"refund.returned":  {payment.KindRefund, payment.FoundReturned},
}

// eventMembers are the members of an event that the service interprets.
var eventMembers = []string{"type", "order_id", "key"}

// ReadEvent verifies the signature of an event over its raw body, with one of the secrets, and its time, and
// reads it. The error is one of package standardwebhooks, or [ErrEvent].
func ReadEvent(secrets []standardwebhooks.Secret, header http.Header, body []byte, now time.Time) (Event, error) {
	id, err := standardwebhooks.Verify(secrets, header, body, now)
	if err != nil {
		return Event{}, err
	}
	o, err := readObject(body, eventMembers)
	if err != nil {
		return Event{}, ErrEvent
	}
	e := Event{ID: id, Type: o.text("type"), OrderID: o.text("order_id"), Key: payment.GatewayKey(o.text("key"))}
	if e.Type == "" {
		return Event{}, ErrEvent
	}
	known := eventTypes[e.Type]
	e.Operation, e.Says = known.operation, known.says
	if e.Says != "" && (e.OrderID == "" || e.Key == "") {
		return Event{}, ErrEvent
	}
	return e, nil
}
