package httpgateway

import (
	"context"
	"encoding/json"
	"net/url"

	"paymentd/core/payment"
)

// refundRequest is the body of POST {base}/charges/{gateway key}/refunds.
type refundRequest struct {
	Amount   string `json:"amount"` // in units, with all decimals of the currency
	Currency string `json:"currency"`
}

// refund makes one attempt to refund a charge. Its answers have the classes of those to a charge.
func (g *Gateway) refund(ctx context.Context, c payment.Charge) payment.Result {
	if c.Of.Key == "" {
		return payment.Result{Class: payment.ClassRejected, Message: "the refund is of a charge without a gateway key; nothing was sent"}
	}
	body, err := json.Marshal(refundRequest{Amount: c.Money.Decimal(), Currency: c.Money.Currency().Code()})
	if err != nil {
		return payment.Result{Class: payment.ClassRejected, Message: "encode refund: " + err.Error()}
	}
	r := g.post(ctx, g.refundsURL(c.Of.Key), c.Key, body)
	r.RedirectURL = "" // a customer does not act for a refund
	return r
}

// lookUpRefund looks up the refund of a charge.
func (g *Gateway) lookUpRefund(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	if ref.Of.Key == "" {
		return payment.Lookup{Result: payment.FoundNoAnswer, Message: "the refund is of a charge without a gateway key"}
	}
	return g.get(ctx, g.refundsURL(ref.Of.Key).JoinPath(url.PathEscape(string(ref.Key))), ref.Key, answer.lookupRefund).Lookup
}

// refundsURL returns the URL of the refunds of the charge with a key.
func (g *Gateway) refundsURL(charge payment.GatewayKey) *url.URL {
	return g.chargeURL(charge).JoinPath("refunds")
}

// lookupRefund classifies an answer to a lookup of the refund with this key.
func (a answer) lookupRefund(key payment.GatewayKey) payment.Lookup {
	l := a.find(key, object.foundRefund)
	l.RedirectURL = ""
	return l
}

// foundRefund classifies the body of a 200 about a refund. It has one state more than a charge: the money came back
// after the refund had succeeded.
func (o object) foundRefund() (payment.Lookup, error) {
	if o.status() == statusReturned {
		return payment.Lookup{Result: payment.FoundReturned}, nil
	}
	return o.found()
}
