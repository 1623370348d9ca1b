package stripegateway

import (
	"context"
	"errors"
	"net/url"
	"strconv"

	"github.com/stripe/stripe-go/v85"

	"paymentd/core/payment"
)

const refundsPath = "v1/refunds"

var errOtherCharge = errors.New("the transaction id of the charge is not that of a PaymentIntent; refund it at Stripe")

// refund makes one attempt at a refund.
func (g *Gateway) refund(ctx context.Context, c payment.Charge) payment.Result {
	form, err := refundForm(c)
	if err != nil {
		return notSent(err)
	}
	a, lost := g.post(ctx, refundsPath, string(c.Key), form)
	if lost != nil {
		return lost.result()
	}
	return a.refundResult(c)
}

// refundForm returns the parameters of POST /v1/refunds (docs.stripe.com/api/refunds/create). They depend on the
// refund alone: Stripe refuses a key with other parameters. The transaction id of a charge is the id of its
// PaymentIntent. The amount is in the currency of the charge.
func refundForm(c payment.Charge) (url.Values, error) {
	if err := checkKey(c.Key); err != nil {
		return nil, err
	}
	if !validIntentID(c.Of.TransactionID) {
		return nil, errOtherCharge
	}
	amount, _, err := amountOf(c.Money)
	if err != nil {
		return nil, err
	}
	return url.Values{
		"payment_intent": {c.Of.TransactionID}, "amount": {strconv.FormatInt(amount, 10)},
		"metadata[" + metaKey + "]":      {string(c.Key)},
		"metadata[" + metaOrderID + "]":  {string(c.OrderID)},
		"metadata[" + metaRefundID + "]": {c.Operation.Name},
	}, nil
}

// refundResult classifies an answer to a refund.
func (a answer) refundResult(c payment.Charge) payment.Result {
	return a.classify(c.Key, func() payment.Result { return a.acceptedRefund(c) }, a.refusedRefund)
}

// acceptedRefund classifies a marked 200. A 200 is no refund: its status counts.
func (a answer) acceptedRefund(c payment.Charge) payment.Result {
	r, err := refundOf(a.body)
	if err == nil {
		err = r.check(c.Key, c.Of, c.Money)
	}
	if err != nil {
		return payment.Result{Class: payment.ClassUnknownAnswered, Message: a.unreadable(err)}
	}
	return r.result()
}

// refusedRefund classifies a marked 4xx or 5xx. An error may name the PaymentIntent of the charge, which says
// nothing about the refund.
func (a answer) refusedRefund() payment.Result {
	f := a.failure()
	code, declines := f.aboutRefund()
	r := payment.Result{Class: a.refusal(f, declines), Message: a.describe()}
	if r.Class == payment.ClassDeclined {
		r.Code, r.Message = code, clip(f.text())
	}
	return r
}

// aboutRefund returns the code of an error that declines a refund, and false if the error is about the request
// (docs.stripe.com/error-codes, docs.stripe.com/api/refunds/create).
func (f failure) aboutRefund() (code string, declines bool) {
	switch stripe.ErrorCode(f.code) {
	case stripe.ErrorCodeChargeAlreadyRefunded:
		return payment.DeclineExceeds, true // nothing is left
	case stripe.ErrorCodeAmountTooLarge, "":
		// "This method will raise an error … when trying to refund more money than is left on a charge." No page
		// names its code. Recorded answers have none, and the parameter.
		if f.param == "amount" {
			return payment.DeclineExceeds, true
		}
	case stripe.ErrorCodeChargeDisputed, stripe.ErrorCodeRefundDisputedPayment, stripe.ErrorCodeChargeNotRefundable:
		// A chargeback gives the money back.
		return payment.DeclineNotPermitted, true
	case stripe.ErrorCodeBalanceInsufficient, stripe.ErrorCodeInsufficientFunds:
		return payment.DeclineFunds, true // of the Stripe account
	default:
	}
	return declineCode(f.code, f.decline), f.kind == string(stripe.ErrorTypeCard)
}
