package stripegateway

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v85"
	"github.com/stripe/stripe-go/v85/webhook"

	"paymentd/core/payment"
)

// EventTolerance is how far the time of a signature may be from now, in both directions
// (docs.stripe.com/webhooks/signature: 5 minutes).
const EventTolerance = 5 * time.Minute

// MaxEventBytes is far more than any event of Stripe.
const MaxEventBytes = 1 << 20

// SignatureHeader is the header of a webhook with its signature.
const SignatureHeader = "Stripe-Signature"

// The errors of [Gateway.Event]. None says anything about the payment.
var (
	ErrEventUnsigned = errors.New("the event is not signed with a webhook secret of this endpoint")
	ErrEventTime     = errors.New("the signature of the event is not of the last 5 minutes; check the clock of this machine")
	ErrEventBody     = errors.New("the event cannot be read")
)

// Event is a signed event. It is a reason to look up the charge, not a truth: events arrive twice, in any
// order, and with old data.
type Event struct {
	// ID is the id of the event (evt_…), the same for each delivery.
	ID string
	// Kind is its type, such as "payment_intent.succeeded".
	Kind string
	// Operation is the kind of operation that the event is about.
	Operation payment.Kind
	// Reference is the id of the PaymentIntent (pi_…) that the event is about; empty if there is none.
	Reference string
	// Key and OrderID are our metadata; empty if the event has none.
	Key     payment.GatewayKey
	OrderID payment.OrderID
	// Refund is the status of the refund that the event is about; empty if it is about no refund.
	Refund stripe.RefundStatus
	// Uncaptured means that the event is about a charge that only holds the money.
	Uncaptured bool
	// Live is the mode, and Account the id of the connected account (acct_…), which is empty for the
	// account of the endpoint itself.
	Live    bool
	Account string
	// Ours means that mode and account are those of the gateway.
	Ours    bool
	Created time.Time
}

// Event verifies the signature of a webhook over its raw body, with the time window around now, and returns
// the event. header is the value of [SignatureHeader].
//
// It does not use stripe-go's ConstructEvent, which refuses events of another API version than its own and
// thin events, and accepts signatures of the future.
func (g *Gateway) Event(body []byte, header string, now time.Time) (Event, error) {
	if len(body) > MaxEventBytes {
		return Event{}, ErrEventBody
	}
	if err := g.verify(body, header, now); err != nil {
		return Event{}, err
	}
	o, err := parseObject(body)
	if err != nil {
		return Event{}, ErrEventBody
	}
	e := Event{
		ID: o.text("id"), Kind: o.text("type"), Account: o.text("account"),
		Created: time.Unix(o.integer("created"), 0).UTC(),
	}
	if !validID(e.ID, "evt_") || e.Kind == "" {
		return Event{}, ErrEventBody
	}
	e.Live, _ = o.boolean("livemode")
	e.Ours = e.Live == g.live && (e.Account == "" || e.Account == g.options.Account)
	about := o.object("data").object("object")
	if e.Kind == string(stripe.EventTypeChargeRefunded) {
		about = latestRefund(about)
	}
	if about.text("object") == "refund" {
		e.Operation, e.Refund = payment.KindRefund, stripe.RefundStatus(about.text("status"))
	}
	e.Reference = intentIDOf(about)
	meta := about.object("metadata") // Stripe copies the metadata of an intent to its charges, but not to refunds
	e.Key, e.OrderID = payment.GatewayKey(meta.text(metaKey)), payment.OrderID(meta.text(metaOrderID))
	if captured, isCharge := about.boolean("captured"); isCharge {
		e.Uncaptured = !captured
	}
	if key := meta.text(metaCaptureKey); key != "" && e.Operation == payment.KindCharge {
		// The capture waits for the outcome, if anything does. The payment itself gets it from its capture.
		e.Operation, e.Key = payment.KindCapture, payment.GatewayKey(key)
	}
	return e, nil
}

// latestRefund returns the newest refund of a charge, or an empty object. Charges have their refunds only on request
// (docs.stripe.com/api/charges/object, expandable), so that the event names a refund only if the endpoint has an old API
// version. Each refund has events of its own (docs.stripe.com/api/events/types).
func latestRefund(charge object) object {
	if refunds, _ := charge.object("refunds").objects("data"); len(refunds) > 0 {
		return refunds[0]
	}
	return nil
}

// intentIDOf returns the id of the PaymentIntent of an object: of itself, or of the one that a charge, a
// refund or a dispute belongs to.
func intentIDOf(about object) string {
	id := about.text("payment_intent")
	if inner := about.object("payment_intent"); inner != nil {
		id = inner.text("id")
	}
	if about.text("object") == "payment_intent" {
		id = about.text("id")
	}
	if !validIntentID(id) {
		return ""
	}
	return id
}

// verify checks the signature with each secret, in constant time, and its time.
func (g *Gateway) verify(body []byte, header string, now time.Time) error {
	const maxHeaderBytes = 4 << 10
	if g.options.WebhookSecrets == nil || len(header) > maxHeaderBytes {
		return ErrEventUnsigned
	}
	signed := false
	for _, secret := range g.options.WebhookSecrets() {
		if secret != "" && webhook.ValidatePayloadIgnoringTolerance(body, header, secret) == nil {
			signed = true
		}
	}
	if !signed {
		return ErrEventUnsigned
	}
	at, err := signedAt(header)
	if err != nil {
		return ErrEventUnsigned
	}
	if age := now.Sub(at); age > EventTolerance || age < -EventTolerance {
		return ErrEventTime
	}
	return nil
}

// signedAt returns the time of a signature header, which must have exactly one.
func signedAt(header string) (time.Time, error) {
	var times []string
	for part := range strings.SplitSeq(header, ",") {
		if value, found := strings.CutPrefix(part, "t="); found {
			times = append(times, value)
		}
	}
	if len(times) != 1 {
		return time.Time{}, ErrEventUnsigned
	}
	seconds, err := strconv.ParseInt(times[0], 10, 64)
	return time.Unix(seconds, 0), err
}

// says are the types of events that report the state of a charge (docs.stripe.com/api/events/types).
var says = map[string]payment.LookupResult{
	"payment_intent.succeeded":                 payment.FoundApproved,
	"payment_intent.payment_failed":            payment.FoundDeclined,
	"payment_intent.canceled":                  payment.FoundVoided,
	"payment_intent.processing":                payment.FoundPending,
	"payment_intent.requires_action":           payment.FoundPending,
	"payment_intent.amount_capturable_updated": payment.FoundAuthorized,
	"charge.succeeded":                         payment.FoundApproved,
	"charge.failed":                            payment.FoundDeclined,
	"charge.pending":                           payment.FoundPending,
	"charge.captured":                          payment.FoundApproved,
	"charge.expired":                           payment.FoundVoided,
}

// refundEvents are the types of events about a refund, whose status says what happened
// (docs.stripe.com/api/events/types). All of them come in any order.
var refundEvents = []stripe.EventType{
	stripe.EventTypeRefundCreated, stripe.EventTypeRefundUpdated, stripe.EventTypeRefundFailed,
	stripe.EventTypeChargeRefundUpdated, stripe.EventTypeChargeRefunded,
}

// Says returns what the event reports of a charge, a capture or a refund; empty for an event that is not about the state
// of one. A charge succeeds when the money is held, and says whether it was captured (docs.stripe.com/api/charges/object,
// captured). The event of a refund that failed does not say whether the refund had succeeded before.
func (e Event) Says() payment.LookupResult {
	switch {
	case e.Operation != payment.KindRefund && e.Uncaptured && e.Kind == string(stripe.EventTypeChargeSucceeded):
		return payment.FoundAuthorized
	case e.Operation != payment.KindRefund:
		return says[e.Kind]
	}
	if !slices.Contains(refundEvents, stripe.EventType(e.Kind)) {
		return ""
	}
	if said := (refund{status: e.Refund}).state(); said != payment.FoundDeclined {
		return said
	}
	return payment.FoundReturned
}
