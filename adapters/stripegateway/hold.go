package stripegateway

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"github.com/stripe/stripe-go/v85"

	"paymentd/core/payment"
)

// metaCaptureKey is the name of the gateway key of a capture in the metadata of its PaymentIntent. A PaymentIntent is
// captured once, and its metadata is the only place that says by which request.
const metaCaptureKey = "paymentd_capture_key"

var errOtherHold = errors.New("the transaction id of the charge is not that of a PaymentIntent; capture or void it at Stripe")

// endHold makes one attempt to capture or to void a PaymentIntent that holds money.
func (g *Gateway) endHold(ctx context.Context, c payment.Charge) payment.Result {
	call, form, err := holdForm(c)
	if err != nil {
		return notSent(err)
	}
	a, lost := g.post(ctx, intentsPath+"/"+c.Of.TransactionID+"/"+call, string(c.Key), form)
	if lost != nil {
		return lost.result()
	}
	otherState := false
	r := a.classify(c.Key, func() payment.Result { return a.endedHold(c, g.live) }, func() payment.Result {
		var r payment.Result
		r, otherState = a.refusedHold()
		return r
	})
	if otherState && r.Class == payment.ClassUnknownAnswered {
		return g.inspectHold(ctx, c, r)
	}
	return r
}

// holdForm returns the last part of the path and the parameters of a capture
// (docs.stripe.com/api/payment_intents/capture) or a void (docs.stripe.com/api/payment_intents/cancel). They depend on
// the operation alone: Stripe refuses a key with other parameters. What is not captured is released, because
// final_capture is true by default. A cancellation takes no metadata.
func holdForm(c payment.Charge) (call string, form url.Values, err error) {
	if err := checkKey(c.Key); err != nil {
		return "", nil, err
	}
	if !validIntentID(c.Of.TransactionID) { // it is a part of the path
		return "", nil, errOtherHold
	}
	if c.Operation.Kind == payment.KindVoid {
		return "cancel", nil, nil
	}
	amount, _, err := amountOf(c.Money)
	return "capture", url.Values{
		"amount_to_capture": {strconv.FormatInt(amount, 10)}, "metadata[" + metaCaptureKey + "]": {string(c.Key)},
	}, err
}

// endedHold classifies a marked 200. A 200 is no capture and no void: the status of the PaymentIntent counts.
func (a answer) endedHold(c payment.Charge, live bool) payment.Result {
	i, err := intentOf(a.body)
	if err == nil {
		err = i.checkHold(c.Of, live)
	}
	if err != nil {
		return payment.Result{Class: payment.ClassUnknownAnswered, Message: a.unreadable(err)}
	}
	if c.Operation.Kind == payment.KindCapture && i.captureKey == "" {
		i.captureKey = c.Key // the answer is about our capture, because it echoes our key
	}
	r := endResult(i.ended(c.Operation.Kind, c.Key, c.Money))
	if r.Class == payment.ClassDeclined { // which is no 200
		r = payment.Result{Class: payment.ClassUnknownAnswered, Message: r.Message}
	}
	return r
}

// refusedHold classifies a marked 4xx or 5xx. otherState means that the PaymentIntent is said to hold no money that the
// operation could end, so that its state decides, and not the error: it may have been captured or cancelled by an
// attempt whose answer was lost.
func (a answer) refusedHold() (r payment.Result, otherState bool) {
	f := a.failure()
	if f.aboutState() {
		return payment.Result{Class: payment.ClassUnknownAnswered, Message: a.describe()}, true
	}
	tooMuch := f.param == "amount_to_capture"
	r = payment.Result{Class: a.refusal(f, tooMuch || f.kind == string(stripe.ErrorTypeCard)), Message: a.describe()}
	switch {
	case r.Class == payment.ClassDeclined && tooMuch:
		r.Code, r.Message = payment.DeclineExceeds, clip(f.text())
	case r.Class == payment.ClassDeclined:
		r.Code, r.Message = declineCode(f.code, f.decline), clip(f.text())
	}
	return r, false
}

// aboutState reports whether the error says that the PaymentIntent or its charge has another state than the operation
// needs (docs.stripe.com/error-codes).
func (f failure) aboutState() bool {
	return slices.Contains([]stripe.ErrorCode{
		stripe.ErrorCodePaymentIntentUnexpectedState, stripe.ErrorCodeChargeAlreadyCaptured,
		stripe.ErrorCodeChargeAlreadyRefunded, stripe.ErrorCodeChargeExpiredForCapture,
		stripe.ErrorCodeCaptureChargeAuthorizationExpired, stripe.ErrorCodeCaptureUnauthorizedPayment,
	}, stripe.ErrorCode(f.code))
}

// inspectHold returns the result of a refused operation by the present state of the PaymentIntent. If that cannot be
// read, or contradicts the refusal, the outcome remains unknown.
func (g *Gateway) inspectHold(ctx context.Context, c payment.Charge, refused payment.Result) payment.Result {
	i, err := g.heldIntent(ctx, c.Of)
	if err != nil {
		return refused
	}
	r := endResult(i.ended(c.Operation.Kind, c.Key, c.Money))
	if r.Class == payment.ClassUnknownAnswered {
		return refused
	}
	r.Answered = true
	return r
}

// lookUpHold looks up a capture or a void: the state of the PaymentIntent, which is read by its id and is never behind,
// has the outcome of both.
func (g *Gateway) lookUpHold(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	if ref.Key == "" {
		return noAnswer(errNoKey)
	}
	i, err := g.heldIntent(ctx, ref.Of)
	if err != nil {
		return noAnswer(fmt.Errorf("the PaymentIntent %s cannot be used: %w", quote(ref.Of.TransactionID), err))
	}
	return i.ended(ref.Operation.Kind, ref.Key, ref.Money)
}

// heldIntent reads the PaymentIntent of a charge.
func (g *Gateway) heldIntent(ctx context.Context, of payment.ChargeID) (intent, error) {
	i, err := g.intent(ctx, of.TransactionID)
	if err == nil {
		err = i.checkHold(of, g.live)
	}
	return i, err
}

// checkHold returns an error if the intent is not that of the charge.
func (i intent) checkHold(of payment.ChargeID, live bool) error {
	if i.id != of.TransactionID {
		return errNoIntent
	}
	return i.check(of.Key, payment.Money{}, live)
}

// ended returns what the state of the intent proves of a capture or a void with this key
// (docs.stripe.com/payments/paymentintents/lifecycle). A state that rules the operation out is
// [payment.FoundVoided] with a code.
func (i intent) ended(kind payment.Kind, key payment.GatewayKey, money payment.Money) payment.Lookup {
	l := payment.Lookup{Message: clip("the PaymentIntent " + i.id + " is " + string(i.status))}
	done := payment.Lookup{Result: payment.FoundApproved, TransactionID: i.id}
	switch i.status {
	case stripe.PaymentIntentStatusRequiresCapture: // the money is held
		l.Result = payment.FoundNothing
	case stripe.PaymentIntentStatusProcessing:
		l.Result, l.Reference = payment.FoundPending, i.id
	case stripe.PaymentIntentStatusCanceled: // the money is released, by any request or by the expiry
		if kind == payment.KindVoid {
			return done
		}
		l.Result, l.Code = payment.FoundVoided, payment.DeclineVoided
		if i.expired {
			l.Code = payment.DeclineHoldExpired
		}
	case stripe.PaymentIntentStatusSucceeded:
		l.Message = clip(fmt.Sprintf("%s, with %d %s received, in Stripe's units", l.Message, i.received, i.currency))
		switch {
		case kind == payment.KindCapture && i.capturedWith(key, money):
			return done
		case kind == payment.KindCapture && i.captureKey == key: // with another amount
			l.Result = payment.FoundNoAnswer
		default: // captured, and not by this operation
			l.Result, l.Code = payment.FoundVoided, payment.DeclineSucceeded
		}
	default: // no money was held, or the status is newer than this adapter
		l.Result = payment.FoundNoAnswer
	}
	return l
}

// capturedWith reports whether the intent was captured with the gateway key, for this amount. Stripe sets the metadata
// with the capture, and an intent is captured once. A capture of a hold without a key, by a person or another program,
// counts if the amount is the same, because its effect is that of the operation; one with another key is of another
// operation.
func (i intent) capturedWith(key payment.GatewayKey, money payment.Money) bool {
	amount, currency, err := amountOf(money)
	return (i.captureKey == key || i.captureKey == "" && i.manual) && err == nil && amount == i.received && currency == i.currency
}

// endResult returns what an answer proves whose PaymentIntent has the state that a lookup would find.
func endResult(l payment.Lookup) payment.Result {
	r := payment.Result{Class: payment.ClassUnknownAnswered, Message: l.Message}
	switch l.Result {
	case payment.FoundApproved:
		return payment.Result{Class: payment.ClassApproved, TransactionID: l.TransactionID}
	case payment.FoundPending:
		r.Class, r.Reference = payment.ClassPending, l.Reference
	case payment.FoundVoided:
		r.Class, r.Code = payment.ClassDeclined, l.Code
	case payment.FoundAuthorized, payment.FoundDeclined, payment.FoundProcessing, payment.FoundReturned,
		payment.FoundNothing, payment.FoundNoAnswer:
	}
	return r
}
