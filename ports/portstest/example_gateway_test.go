package portstest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"paymentd/core/payment"
	"paymentd/internal/httpcall"
)

// exampleGateway is the smallest complete adapter, for a vendor that exists only in this package (exampleVendor):
// docs/gateways.md, "Write an adapter in a day", goes through it.
type exampleGateway struct {
	base   *url.URL
	client *httpcall.Client
}

const (
	exampleTimeout        = 10 * time.Second
	exampleMaxAnswerBytes = 64 << 10
)

// Capabilities declares what the vendor can prove, and nothing else: what is not documented is left at the worst case.
func (g *exampleGateway) Capabilities() payment.Capabilities {
	return payment.Capabilities{
		Gateway: "example:shop-1", Repeat: payment.RepeatFirstSuccess, KeyLifetime: 24 * time.Hour, MaxKeyBytes: 64,
		LooksUp: true, LookupForgets: true, SavesDeclines: true, Operations: payment.OperationRefund,
	}
}

// examplePayment is a payment or a refund of the vendor's API, and the errors that it has instead of one.
type examplePayment struct {
	Key    string `json:"key"` // of the request: the vendor's mark
	ID     string `json:"id"`
	State  string `json:"state"`  // paid or refused
	Reason string `json:"reason"` // of a refusal
	Error  string `json:"error"`
}

// exampleDeclines translates the vendor's reasons.
var exampleDeclines = map[string]string{"no_funds": payment.DeclineFunds}

// Charge makes one attempt at a charge or a refund. Nothing of the request differs between two attempts with a key.
func (g *exampleGateway) Charge(ctx context.Context, c payment.Charge) payment.Result {
	switch c.Operation.Kind {
	case payment.KindCharge:
		return g.attempt(ctx, c.Key, "payments", map[string]any{
			"key": c.Key, "order": c.OrderID, "amount": c.Money.Minor(), "currency": c.Money.Currency().Code(),
		})
	case payment.KindRefund:
		return g.attempt(ctx, c.Key, "refunds", map[string]any{"key": c.Key, "payment": c.Of.Key, "amount": c.Money.Minor()})
	}
	return payment.Result{Class: payment.ClassRejected, Message: "the vendor has no " + c.Operation.String()}
}

// attempt sends a request under a key, and gives its answer a class.
func (g *exampleGateway) attempt(ctx context.Context, key payment.GatewayKey, path string, request map[string]any) payment.Result {
	body, err := json.Marshal(request)
	if err != nil {
		return payment.Result{Class: payment.ClassNotCharged, Message: err.Error()}
	}
	status, p, lost := g.call(ctx, http.MethodPost, path, body)
	switch {
	case lost != nil && !lost.MayHaveLeft: // no byte left, so nothing was charged
		return payment.Result{Class: payment.ClassNotCharged, Message: lost.Error()}
	case lost != nil:
		return payment.Result{Class: payment.ClassUnknownUnanswered, Message: lost.Error()}
	case p.Key != string(key): // a proxy may have answered, with any status
		return payment.Result{Class: payment.ClassUnknownUnanswered, Message: fmt.Sprintf("%d without the vendor's mark", status)}
	}
	r := p.result(status)
	r.Answered = true
	return r
}

// result returns the class of an answer that has the mark. What the vendor's documents do not name is unknown.
func (p examplePayment) result(status int) payment.Result {
	switch {
	case status == http.StatusOK && p.State == "paid" && p.ID != "":
		return payment.Result{Class: payment.ClassApproved, TransactionID: p.ID}
	case status == http.StatusOK && p.State == "refused":
		return payment.Result{Class: payment.ClassDeclined, Code: p.code(), Message: p.Reason}
	case p.Error == "key_used":
		return payment.Result{Class: payment.ClassKeyReused, Message: p.Error}
	case p.Error == "busy": // another attempt with this key is running
		return payment.Result{Class: payment.ClassUnknownUnanswered, Message: p.Error}
	case p.Error == "slow_down":
		return payment.Result{Class: payment.ClassNotCharged, Message: p.Error}
	case p.Error == "invalid":
		return payment.Result{Class: payment.ClassRejected, Message: p.Error}
	}
	return payment.Result{Class: payment.ClassUnknownAnswered, Message: fmt.Sprintf("%d %s", status, p.Error)}
}

func (p examplePayment) code() string {
	if code, known := exampleDeclines[p.Reason]; known {
		return code
	}
	return payment.DeclineCard
}

// LookUp reads the payment or the refund by its key. Only an answer with the mark proves that there is none.
func (g *exampleGateway) LookUp(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	path := "payments/"
	if ref.Operation.Kind == payment.KindRefund {
		path = "refunds/"
	}
	status, p, lost := g.call(ctx, http.MethodGet, path+url.PathEscape(string(ref.Key)), nil)
	switch {
	case lost != nil:
		return payment.Lookup{Result: payment.FoundNoAnswer, Message: lost.Error()}
	case p.Key != string(ref.Key):
		return payment.Lookup{Result: payment.FoundNoAnswer, Message: fmt.Sprintf("%d without the vendor's mark", status)}
	case status == http.StatusOK && p.State == "paid" && p.ID != "":
		return payment.Lookup{Result: payment.FoundApproved, TransactionID: p.ID}
	case status == http.StatusOK && p.State == "refused":
		return payment.Lookup{Result: payment.FoundDeclined, Code: p.code(), Message: p.Reason}
	case p.Error == "busy":
		return payment.Lookup{Result: payment.FoundProcessing}
	case status == http.StatusNotFound && p.Error == "none":
		return payment.Lookup{Result: payment.FoundNothing}
	}
	return payment.Lookup{Result: payment.FoundNoAnswer, Message: fmt.Sprintf("%d %s", status, p.Error)}
}

// Cancel looks up, because the vendor cannot cancel.
func (g *exampleGateway) Cancel(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	return g.LookUp(ctx, ref)
}

// call sends one request. An answer that cannot be read has no mark.
func (g *exampleGateway) call(ctx context.Context, method, path string, body []byte) (int, examplePayment, *httpcall.LostError) {
	ctx, cancel := httpcall.WithTimeout(ctx, exampleTimeout)
	defer cancel()
	header := http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer secret"}, "Cache-Control": {"no-cache"}}
	answer, lost := g.client.Do(ctx, httpcall.Request{
		Method: method, URL: g.base.JoinPath(path), Header: header, Body: body, MaxAnswerBytes: exampleMaxAnswerBytes,
	})
	var p examplePayment
	if lost == nil && (answer.TooLong || json.Unmarshal(answer.Body, &p) != nil) {
		p = examplePayment{}
	}
	return answer.Status, p, lost
}
