package stripegateway

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/stripe/stripe-go/v85"

	"paymentd/core/payment"
)

const intentsPath = "v1/payment_intents"

// Charge makes one attempt at a charge or at another operation; see ports.Gateway.
func (g *Gateway) Charge(ctx context.Context, c payment.Charge) payment.Result {
	ctx, cancel := g.withTimeout(ctx)
	defer cancel()
	switch c.Operation.Kind {
	case payment.KindCharge:
		return g.charge(ctx, c)
	case payment.KindCapture, payment.KindVoid:
		return g.endHold(ctx, c)
	case payment.KindRefund:
		return g.refund(ctx, c)
	}
	return notSent(fmt.Errorf("Stripe is not asked for a %s by this version", c.Operation.Kind)) //nolint:staticcheck // a name
}

// notSent is the result of an attempt that is impossible.
func notSent(err error) payment.Result {
	return payment.Result{Class: payment.ClassRejected, Message: clip(err.Error() + "; nothing was sent")}
}

// result is the result of an attempt without an answer.
func (e *callError) result() payment.Result {
	class := payment.ClassNotCharged
	if e.mayHaveLeft {
		class = payment.ClassUnknownUnanswered
	}
	return payment.Result{Class: class, Message: clip(e.message)}
}

// charge makes one attempt at a charge. The cancellation of a declined PaymentIntent is part of it.
func (g *Gateway) charge(ctx context.Context, c payment.Charge) payment.Result {
	form, err := chargeForm(c)
	if err != nil {
		return notSent(err)
	}
	a, lost := g.post(ctx, intentsPath, string(c.Key), form)
	if lost != nil {
		return lost.result()
	}
	r, confirmable := a.result(c, g.live)
	if confirmable != "" {
		r = g.closeIntent(ctx, r, confirmable, c)
	}
	return r
}

// chargeForm returns the parameters of POST /v1/payment_intents (docs.stripe.com/api/payment_intents/create).
// They depend on the charge alone: Stripe refuses a key with other parameters.
func chargeForm(c payment.Charge) (url.Values, error) {
	if err := checkKey(c.Key); err != nil {
		return nil, err
	}
	if c.Method == "" {
		return nil, errNoMethod
	}
	amount, currency, err := amountOf(c.Money)
	if err != nil {
		return nil, err
	}
	form := url.Values{
		"amount": {strconv.FormatInt(amount, 10)}, "currency": {currency},
		"payment_method": {string(c.Method)}, "confirm": {"true"},
		// Every payment method that the account has enabled. return_url is where a customer comes back
		// who had to act; without it, Stripe refuses methods that redirect.
		"automatic_payment_methods[enabled]": {"true"},
		"metadata[" + metaKey + "]":          {string(c.Key)},
		"metadata[" + metaOrderID + "]":      {string(c.OrderID)},
	}
	if c.Capture == payment.CaptureManual {
		form.Set("capture_method", "manual")
		form.Set("expand[]", "latest_charge") // has the time at which the hold expires
	}
	if c.ReturnURL != "" {
		form.Set("return_url", c.ReturnURL)
	} else {
		// Methods that redirect the customer would be refused at the confirmation.
		form.Set("automatic_payment_methods[allow_redirects]", "never")
	}
	return form, nil
}

// checkKey returns an error if the key cannot be sent. Without one, every attempt would be another charge.
func checkKey(key payment.GatewayKey) error {
	switch {
	case key == "":
		return errNoKey
	case len(key) > MaxKeyBytes || !printable(string(key)):
		return errBadKey
	}
	return nil
}

// result classifies an answer to a charge. If it returns the id of a PaymentIntent, the result stands only
// once that is cancelled, because it could be confirmed later.
func (a answer) result(c payment.Charge, live bool) (r payment.Result, confirmable string) {
	r = a.classify(c.Key, func() payment.Result {
		r, confirmable = a.accepted(c, live)
		return r
	}, func() payment.Result {
		r, confirmable = a.refused(c, live)
		return r
	})
	if !a.fresh() {
		return r, "" // it does not say what state the PaymentIntent is in now
	}
	return r, confirmable
}

// classify classifies an answer to a POST with a key: accepted a marked 200, and refused a marked 4xx or 5xx.
// The rest is alike for all operations.
func (a answer) classify(key payment.GatewayKey, accepted, refused func() payment.Result) payment.Result {
	if !a.echoes(string(key)) {
		return payment.Result{
			Class:      payment.ClassUnknownUnanswered,
			Message:    a.unmarked("its header " + markHeader + " is not the key of the request"),
			RetryAfter: a.retryAfter(),
		}
	}
	r := payment.Result{Class: payment.ClassUnknownAnswered, Message: a.describe()}
	switch {
	case a.body == nil && a.Status == http.StatusConflict: // running, with a body that cannot be read
		r.Class = payment.ClassUnknownUnanswered
	case a.body == nil:
		r.Message = a.unreadable(a.err)
	case a.Status == http.StatusOK:
		r = accepted()
	case a.Status >= http.StatusBadRequest:
		r = refused()
	}
	if r.Class != payment.ClassApproved && !a.fresh() { // it is not about this attempt, which may still be running
		r = payment.Result{Class: payment.ClassUnknownUnanswered, Message: a.unmarked("it comes from a cache (Age)")}
	}
	r.Answered = true
	if r.Class != payment.ClassApproved && r.Class != payment.ClassAuthorized && r.Class != payment.ClassDeclined {
		r.RetryAfter = a.retryAfter()
	}
	return r
}

// accepted classifies a marked 200. A 200 is no payment: its PaymentIntent's status counts.
func (a answer) accepted(c payment.Charge, live bool) (r payment.Result, confirmable string) {
	i, err := intentOf(a.body)
	if err == nil {
		err = i.check(c.Key, c.Money, live)
	}
	if err != nil {
		return payment.Result{Class: payment.ClassUnknownAnswered, Message: a.unreadable(err)}, ""
	}
	r = i.result()
	if r.Class == payment.ClassDeclined {
		return r, i.id
	}
	return r, ""
}

// result returns what an answer proves that has this PaymentIntent. A decline stands once the intent is
// cancelled.
func (i intent) result() payment.Result {
	switch l := i.found(); {
	case l.Result == payment.FoundApproved && !l.Captured.IsZero(): // of a hold; the lookup that follows has the amount
		return payment.Result{Class: payment.ClassPending, Reference: i.id, Message: "Stripe has taken a part of the money that was held"}
	case l.Result == payment.FoundApproved:
		return payment.Result{Class: payment.ClassApproved, TransactionID: i.id}
	case l.Result == payment.FoundAuthorized:
		return payment.Result{Class: payment.ClassAuthorized, TransactionID: i.id, HoldExpires: l.HoldExpires}
	case i.last.kind != "" && i.status == stripe.PaymentIntentStatusRequiresPaymentMethod:
		return i.last.declined(i.id)
	case l.Result == payment.FoundNoAnswer:
		return payment.Result{Class: payment.ClassUnknownAnswered, Message: l.Message, Reference: i.id}
	default: // also cancelled, because the lookup that follows says so with proof
		return payment.Result{
			Class: payment.ClassPending, Message: l.Message, Reference: i.id, RedirectURL: l.RedirectURL,
		}
	}
}

// declined returns the result of a decline.
func (f failure) declined(id string) payment.Result {
	return payment.Result{
		Class: payment.ClassDeclined, Code: declineCode(f.code, f.decline), Message: clip(f.text()), Reference: id,
	}
}

// refused classifies a marked 4xx or 5xx.
func (a answer) refused(c payment.Charge, live bool) (r payment.Result, confirmable string) {
	f := a.failure()
	r = payment.Result{Class: a.refusal(f, f.aboutMethod()), Message: a.describe()}
	if r.Class == payment.ClassDeclined {
		r = f.declined("")
	}
	if f.intent == nil {
		return r, ""
	}
	// The error names an intent, which exists, and after a decline its id is nowhere else.
	if err := f.intent.check(c.Key, c.Money, live); err != nil {
		return payment.Result{Class: payment.ClassUnknownAnswered, Message: a.unreadable(err)}, ""
	}
	r.Reference = f.intent.id
	if r.Class == payment.ClassDeclined || r.Class == payment.ClassRejected {
		return r, f.intent.id
	}
	return r, ""
}

// refusal returns the class of a marked error (docs.stripe.com/api/errors,
// docs.stripe.com/error-low-level, docs.stripe.com/rate-limits). declines means that the error, if it rejects the
// request, is not about the request but about what it is for.
func (a answer) refusal(f failure, declines bool) payment.Class {
	switch {
	case f.code == string(stripe.ErrorCodeIdempotencyKeyInUse), a.Status == http.StatusConflict:
		return payment.ClassUnknownUnanswered // an attempt with this key is running
	case f.kind == string(stripe.ErrorTypeIdempotency):
		return payment.ClassKeyReused // 400: the key was used with other parameters
	case f.code == string(stripe.ErrorCodeLockTimeout):
		// 429: another request held the lock of an object. It happened to charges that succeeded
		// (github.com/stripe/stripe-go/issues/1523), so that it is no proof of none.
		return payment.ClassUnknownAnswered
	case a.Status == http.StatusPaymentRequired:
		if f.kind == string(stripe.ErrorTypeCard) || f.decline != "" {
			return payment.ClassDeclined
		}
		return payment.ClassUnknownAnswered
	case a.Status == http.StatusTooManyRequests: // "Too many requests hit the API too quickly": not executed
		return payment.ClassNotCharged
	}
	if a.repeatHelps() || !rejects(a.Status) || f.kind == "" {
		// 424: a dependency failed, with an unknown outcome. 5xx: "treat the result as indeterminate",
		// and a saved one never changes. An error that Stripe asks to repeat is no rejection.
		return payment.ClassUnknownAnswered
	}
	if declines {
		return payment.ClassDeclined
	}
	return payment.ClassRejected
}

// rejects reports whether the status means that the request is wrong: its parameters, the secret key, its
// permissions, or an object that does not exist.
func rejects(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		return true
	}
	return false
}

// aboutMethod reports whether an invalid request is the fault of the customer's payment method: it does not
// exist, was used up, or is not usable.
func (f failure) aboutMethod() bool {
	switch stripe.ErrorCode(f.code) {
	case stripe.ErrorCodeResourceMissing, stripe.ErrorCodePaymentMethodInvalidParameter:
		return f.param == "payment_method"
	case stripe.ErrorCodePaymentMethodUnexpectedState, stripe.ErrorCodeTokenAlreadyUsed:
		return true
	default:
		return f.kind == string(stripe.ErrorTypeCard)
	}
}

// unreadable describes an answer that proves nothing.
func (a answer) unreadable(err error) string {
	return clip(a.describe() + ", which cannot be used: " + err.Error())
}
