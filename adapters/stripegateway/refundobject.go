package stripegateway

import (
	"errors"
	"fmt"

	"github.com/stripe/stripe-go/v85"

	"paymentd/core/payment"
)

// metaRefundID is the name of the client's id of a refund in our metadata.
const metaRefundID = "paymentd_refund_id"

var errNoRefund = errors.New("it is no Refund")

// refund is what the service reads of a Refund (docs.stripe.com/api/refunds/object).
type refund struct {
	id       string
	status   stripe.RefundStatus
	key      payment.GatewayKey // of our metadata; empty if another program made the refund
	orderID  payment.OrderID
	amount   int64
	currency string
	intent   string // the id of the charge's PaymentIntent
	why      string // of a status pending or failed; empty if Stripe says nothing
}

// validRefundID reports whether s is an id of a Refund: re_…, or pyr_… if it is of a payment without a card.
func validRefundID(s string) bool { return validID(s, "re_") || validID(s, "pyr_") }

// refundOf reads a Refund.
func refundOf(o object) (refund, error) {
	if o.text("object") != "refund" || !validRefundID(o.text("id")) {
		return refund{}, errNoRefund
	}
	meta := o.object("metadata")
	r := refund{
		id: o.text("id"), status: stripe.RefundStatus(o.text("status")),
		key: payment.GatewayKey(meta.text(metaKey)), orderID: payment.OrderID(meta.text(metaOrderID)),
		amount: o.integer("amount"), currency: o.text("currency"), intent: intentIDOf(o), why: o.text("failure_reason"),
	}
	if r.status == stripe.RefundStatusPending {
		r.why = o.text("pending_reason")
	}
	return r, nil
}

// check returns an error if the refund is not the one with this key, of this charge. The values that the caller
// does not know are zero.
func (r refund) check(key payment.GatewayKey, of payment.ChargeID, money payment.Money) error {
	switch {
	case r.key != key:
		return errors.New("its metadata has another gateway key")
	case of.TransactionID != "" && r.intent != of.TransactionID:
		return errors.New("it is of another PaymentIntent")
	case money.IsZero():
		return nil
	}
	if amount, currency, err := amountOf(money); err != nil || amount != r.amount || currency != r.currency {
		return fmt.Errorf("its amount is %d %s, in Stripe's units", r.amount, r.currency)
	}
	return nil
}

// state returns what the status proves (docs.stripe.com/api/refunds/object#refund_object-status). Empty if the
// status is newer than this adapter.
func (r refund) state() payment.LookupResult {
	switch r.status {
	case stripe.RefundStatusSucceeded: // also "submitted to the bank": it may still fail
		return payment.FoundApproved
	case stripe.RefundStatusPending, // a bank decides, or the balance of the account does not cover it yet
		stripe.RefundStatusRequiresAction: // the customer must say where the money goes, which Stripe asks by email
		return payment.FoundPending
	case stripe.RefundStatusFailed, // the bank did not take the money, or gave it back (docs.stripe.com/refunds#failed-refunds)
		stripe.RefundStatusCanceled: // by a person, or by Stripe because the customer did not answer for 45 days
		return payment.FoundDeclined
	}
	return ""
}

// describe returns the status for an operator.
func (r refund) describe() string {
	text := "the Refund " + r.id + " is " + string(r.status)
	if r.why != "" {
		text += ": " + r.why
	}
	return clip(text)
}

// result returns what an answer proves that has this refund.
func (r refund) result() payment.Result {
	switch r.state() {
	case payment.FoundApproved:
		return payment.Result{Class: payment.ClassApproved, TransactionID: r.id}
	case payment.FoundPending:
		return payment.Result{Class: payment.ClassPending, Message: r.describe(), Reference: r.id}
	case payment.FoundDeclined:
		return payment.Result{Class: payment.ClassDeclined, Code: r.code(), Message: r.declined(), Reference: r.id}
	default:
		return payment.Result{Class: payment.ClassUnknownAnswered, Message: r.describe(), Reference: r.id}
	}
}

// found returns what a lookup found. succeeded means that the success of the refund is recorded. Stripe's object
// does not say whether a refund that failed had succeeded before.
func (r refund) found(succeeded bool) payment.Lookup {
	l := payment.Lookup{Result: r.state(), Message: r.describe(), Reference: r.id}
	switch {
	case l.Result == payment.FoundApproved:
		return payment.Lookup{Result: payment.FoundApproved, TransactionID: r.id}
	case l.Result == payment.FoundDeclined && succeeded:
		l.Result = payment.FoundReturned
	case l.Result == payment.FoundDeclined:
		l.Code, l.Message = r.code(), r.declined()
	case l.Result == "":
		l.Result = payment.FoundNoAnswer
	}
	return l
}

// declined describes why a refund failed. It begins with Stripe's own code.
func (r refund) declined() string {
	if r.why == "" {
		return r.describe()
	}
	return clip(r.why + ": the Refund " + r.id + " is " + string(r.status))
}

// code returns our code for a refund that failed or was cancelled
// (docs.stripe.com/api/refunds/object#refund_object-failure_reason).
func (r refund) code() string {
	switch {
	case r.status == stripe.RefundStatusCanceled, r.why == "merchant_request":
		return payment.DeclineAbandoned
	case r.why == string(stripe.RefundFailureReasonExpiredOrCanceledCard):
		return payment.DeclineExpired
	case r.why == string(stripe.RefundFailureReasonLostOrStolenCard):
		return payment.DeclineFraud
	case r.why == "charge_for_pending_refund_disputed":
		return payment.DeclineNotPermitted
	case r.why == "insufficient_funds":
		return payment.DeclineFunds // of the Stripe account
	}
	return payment.DeclineCard // declined, unknown, or a reason that is newer than this adapter
}
