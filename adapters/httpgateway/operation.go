package httpgateway

import (
	"context"
	"encoding/json"
	"net/url"

	"paymentd/core/payment"
)

// operationPaths are the last part of {base}/charges/{gateway key}/…, by the kind of operation.
var operationPaths = map[payment.Kind]string{
	payment.KindCapture: "captures",
	payment.KindVoid:    "voids",
	payment.KindRefund:  "refunds",
}

// amountRequest is the body of a capture or a refund.
type amountRequest struct {
	Amount   string `json:"amount"` // in units, with all decimals of the currency
	Currency string `json:"currency"`
}

// voidBody is the body of a void, which has no amount.
var voidBody = []byte("{}")

// operate makes one attempt to capture, void or refund a charge. Its answers have the classes of those to a charge.
func (g *Gateway) operate(ctx context.Context, c payment.Charge) payment.Result {
	about := payment.ChargeRef{Key: c.Key, OrderID: c.OrderID, Operation: c.Operation, Of: c.Of, Money: c.Money}
	if c.Of.Key == "" {
		return payment.Result{
			Class: payment.ClassRejected, Message: "the " + c.Operation.String() + " is of a charge without a gateway key; nothing was sent",
		}
	}
	body := voidBody
	if c.Operation.Kind != payment.KindVoid {
		var err error
		if body, err = json.Marshal(amountRequest{c.Money.Decimal(), c.Money.Currency().Code()}); err != nil {
			return payment.Result{Class: payment.ClassRejected, Message: "encode " + c.Operation.String() + ": " + err.Error()}
		}
	}
	r := g.post(ctx, g.operationsURL(about), about, body)
	r.RedirectURL = "" // a customer acts for charges only
	return r
}

// lookUpOperation looks up the capture, void or refund of a charge.
func (g *Gateway) lookUpOperation(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	if ref.Of.Key == "" {
		return payment.Lookup{
			Result: payment.FoundNoAnswer, Message: "the " + ref.Operation.String() + " is of a charge without a gateway key",
		}
	}
	l := g.get(ctx, g.operationsURL(ref).JoinPath(url.PathEscape(string(ref.Key))), ref).Lookup
	l.RedirectURL = ""
	return l
}

// operationsURL returns the URL of the operations of the same kind and charge.
func (g *Gateway) operationsURL(about payment.ChargeRef) *url.URL {
	return g.chargeURL(about.Of.Key).JoinPath(operationPaths[about.Operation.Kind])
}
