package stripegateway

import (
	"errors"
	"fmt"
	"time"

	"github.com/stripe/stripe-go/v85"

	"paymentd/core/payment"
)

// The names of our metadata (docs.stripe.com/api/metadata: at most 40 characters without brackets).
const (
	metaKey     = "paymentd_key"
	metaOrderID = "paymentd_order_id"
)

var errNoIntent = errors.New("it is no PaymentIntent")

// intent is what the service reads of a PaymentIntent.
type intent struct {
	id       string
	status   stripe.PaymentIntentStatus
	key      payment.GatewayKey // of our metadata; empty if another program made the intent
	orderID  payment.OrderID
	amount   int64
	currency string
	live     bool
	created  time.Time
	redirect string  // where the customer must act
	last     failure // of the latest attempt to confirm; its kind is empty if none failed

	manual        bool               // the money is held, and then captured
	received      int64              // how much was taken
	captureKey    payment.GatewayKey // of our metadata; empty unless the service has captured the money
	captureBefore time.Time          // when Stripe releases the hold; zero if the answer does not say it
	expired       bool               // Stripe has released the hold
}

func validIntentID(id string) bool { return validID(id, "pi_") }

// intentOf reads a PaymentIntent.
func intentOf(o object) (intent, error) {
	if o.text("object") != "payment_intent" || !validIntentID(o.text("id")) {
		return intent{}, errNoIntent
	}
	meta := o.object("metadata")
	i := intent{
		id: o.text("id"), status: stripe.PaymentIntentStatus(o.text("status")),
		key: payment.GatewayKey(meta.text(metaKey)), orderID: payment.OrderID(meta.text(metaOrderID)),
		amount: o.integer("amount"), currency: o.text("currency"), created: time.Unix(o.integer("created"), 0).UTC(),
	}
	i.live, _ = o.boolean("livemode")
	i.manual, i.received = o.text("capture_method") == string(stripe.PaymentIntentCaptureMethodManual), o.integer("amount_received")
	i.captureKey = payment.GatewayKey(meta.text(metaCaptureKey))
	i.captureBefore = captureBefore(o.object("latest_charge"))
	switch stripe.PaymentIntentCancellationReason(o.text("cancellation_reason")) {
	case stripe.PaymentIntentCancellationReasonAutomatic, stripe.PaymentIntentCancellationReasonExpired:
		i.expired = true
	default:
	}
	i.redirect = redirectOf(o.object("next_action"))
	i.last = failureOf(o.object("last_payment_error"))
	if i.last.kind == "" {
		i.last = chargeFailure(o.object("latest_charge"))
	}
	return i, nil
}

// captureBefore returns when the hold of a charge expires, which is a member of the details of its payment method
// (docs.stripe.com/api/charges/object, payment_method_details.card.capture_before). It is not always seven days after
// the charge. Zero if there is none, or if the charge is not expanded.
func captureBefore(charge object) time.Time {
	details := charge.object("payment_method_details")
	at := details.object(details.text("type")).integer("capture_before")
	if at <= 0 {
		return time.Time{}
	}
	return time.Unix(at, 0).UTC()
}

// redirectOf returns the URL of a next_action of the type redirect_to_url. Other types need Stripe.js or an
// app, so that there is no URL (docs.stripe.com/api/payment_intents/object, next_action).
func redirectOf(action object) string {
	address := action.object("redirect_to_url").text("url")
	if payment.CheckRedirectURL(address) != nil {
		return ""
	}
	return address
}

// chargeFailure returns why the latest charge of an intent failed. last_payment_error "will be cleared if
// the PaymentIntent is later updated for any reason", but the charge keeps its reason. The charge is an
// object only if the request asked for it to be expanded.
func chargeFailure(charge object) failure {
	if charge.text("status") != string(stripe.ChargeStatusFailed) {
		return failure{}
	}
	return failure{
		kind: string(stripe.ErrorTypeCard), code: charge.text("failure_code"),
		decline: charge.object("outcome").text("reason"), message: charge.text("failure_message"),
	}
}

// check returns an error if the intent is not the one of this charge.
func (i intent) check(key payment.GatewayKey, money payment.Money, live bool) error {
	switch {
	case i.key != key:
		return errors.New("its metadata has another gateway key")
	case i.live != live:
		return errors.New("its mode (live or test) is not that of the secret key")
	}
	if money.IsZero() { // the caller does not know it
		return nil
	}
	if amount, currency, err := amountOf(money); err != nil || amount != i.amount || currency != i.currency {
		return fmt.Errorf("its amount is %d %s, in Stripe's units", i.amount, i.currency)
	}
	return nil
}

// abandonedAfter is how old an intent without a failure must be, by Stripe's clock, until no request can
// still be confirming it. stripe-go's own timeout is 80 s.
const abandonedAfter = 15 * time.Minute

// confirmable reports whether the intent waits for a confirmation that would take money, and no attempt is
// confirming it at now. It must be cancelled before it counts as declined.
func (i intent) confirmable(now time.Time) bool {
	switch i.status {
	case stripe.PaymentIntentStatusRequiresPaymentMethod, stripe.PaymentIntentStatusRequiresConfirmation:
		return i.last.kind != "" || now.Sub(i.created) > abandonedAfter
	default:
		return false
	}
}

// found returns what a lookup found (docs.stripe.com/payments/paymentintents/lifecycle).
func (i intent) found() payment.Lookup {
	l := payment.Lookup{Reference: i.id, Message: clip("the PaymentIntent " + i.id + " is " + string(i.status))}
	switch i.status {
	case stripe.PaymentIntentStatusSucceeded:
		return i.foundSucceeded()
	case stripe.PaymentIntentStatusRequiresCapture: // the money is held
		return payment.Lookup{Result: payment.FoundAuthorized, TransactionID: i.id, HoldExpires: i.captureBefore}
	case stripe.PaymentIntentStatusProcessing: // the bank decides, in days for a bank debit
		l.Result = payment.FoundPending
	case stripe.PaymentIntentStatusRequiresAction: // the customer must act
		l.Result, l.RedirectURL = payment.FoundPending, i.redirect
	case stripe.PaymentIntentStatusRequiresPaymentMethod, stripe.PaymentIntentStatusRequiresConfirmation:
		// Between its creation and its confirmation, or declined and not cancelled yet.
		l.Result = payment.FoundProcessing
		if i.last.kind != "" {
			l.Result = payment.FoundPending
		}
	case stripe.PaymentIntentStatusCanceled:
		l.Result = payment.FoundVoided
		if i.last.kind != "" {
			l.Result, l.Code = payment.FoundDeclined, declineCode(i.last.code, i.last.decline)
			l.Message = clip(i.last.text())
		}
	default: // a status that is newer than this adapter
		l.Result = payment.FoundNoAnswer
	}
	return l
}

// foundSucceeded is for an intent that succeeded. One that held the money may have received a part of it
// (docs.stripe.com/payments/place-a-hold-on-a-payment-method: "Partially capturing automatically releases the remaining
// amount"); its amount remains the one that was held.
func (i intent) foundSucceeded() payment.Lookup {
	l := payment.Lookup{Result: payment.FoundApproved, TransactionID: i.id}
	if !i.manual || i.received == i.amount {
		return l
	}
	captured, err := moneyOf(i.received, i.currency)
	if err != nil || i.received > i.amount {
		return payment.Lookup{
			Result: payment.FoundNoAnswer, Reference: i.id,
			Message: clip(fmt.Sprintf("the PaymentIntent %s is succeeded with %d of %d %s received, in Stripe's units", i.id, i.received, i.amount, i.currency)),
		}
	}
	l.Captured = captured
	return l
}
