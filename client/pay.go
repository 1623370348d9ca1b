package client

import (
	"context"
	"encoding/json"
	"net/http"

	"paymentd/client/internal/wire"
)

// Payment is what to charge.
type Payment struct {
	// OrderID is 1 to 128 printable ASCII characters without spaces.
	OrderID string
	// Amount is a decimal number in units of the currency, such as "100.00".
	Amount string
	// Currency is an ISO 4217 code; empty for the service's own.
	Currency string
	// PaymentMethod is the gateway's token of what to charge, such as "pm_1"; empty if the gateway needs
	// none, or for the one of an earlier Pay.
	PaymentMethod string
	// Capture is [CaptureManual] to hold the money only; empty to take it at once.
	Capture CaptureMode
}

// Result is a payment or another operation that succeeded: the money is taken, held, released or given back, once.
type Result struct {
	// TransactionID is the gateway's; empty if a pending payment was cancelled by a void.
	TransactionID string
	// Authorized means that the money is held, and not taken: [Client.Capture] or [Client.Void] it.
	Authorized bool
	// Replayed means that the order had been charged, or the operation made, before this request.
	Replayed bool
}

// Pay charges an order, and returns when the payment is decided or ctx is cancelled. The error is a
// *[DeclinedError], *[FailedError], *[MismatchError], *[RefusedError] (the payment was voided), *[ActionRequiredError],
// *[RequestError] or *[UnfinishedError]. After any of them, the same Pay again cannot charge twice.
func (c *Client) Pay(ctx context.Context, p Payment) (Result, error) {
	body, err := json.Marshal(wire.PaymentRequest{
		OrderID: p.OrderID, Amount: json.Number(p.Amount), Currency: p.Currency,
		PaymentMethod: p.PaymentMethod, Capture: p.Capture,
	})
	if err != nil || p.Amount == "" { // json.Number would encode it as 0
		return Result{}, &RequestError{Sentence: "the amount must be a decimal number such as 100.00"}
	}
	answer, err := c.sendUntilFinal(ctx, http.MethodPost, "/payments/process", body)
	if err != nil {
		return Result{}, &UnfinishedError{OrderID: p.OrderID, Cause: err}
	}
	switch answer.status {
	case http.StatusOK:
		var succeeded wire.Succeeded
		err := answer.decode(&succeeded)
		return Result{
			TransactionID: succeeded.TransactionID, Authorized: succeeded.Status == wire.SucceededStatusAuthorized,
			Replayed: answer.replayed(),
		}, err
	case http.StatusAccepted:
		return c.await(ctx, p.OrderID, answer)
	case http.StatusPaymentRequired:
		fault, _ := answer.serviceError()
		return Result{}, &DeclinedError{OrderID: p.OrderID, Code: fault.code}
	case http.StatusUnprocessableEntity:
		if fault, _ := answer.serviceError(); fault.kind == problemVoided {
			return Result{}, &RefusedError{OrderID: p.OrderID, State: StateVoided, Sentence: fault.sentence}
		}
		return Result{}, &MismatchError{OrderID: p.OrderID}
	case http.StatusBadGateway:
		fault, _ := answer.serviceError()
		return Result{}, &FailedError{OrderID: p.OrderID, Reason: fault.sentence}
	}
	return Result{}, requestError(answer)
}

// await polls an accepted payment until it is decided.
func (c *Client) await(ctx context.Context, orderID string, accepted reply) (Result, error) {
	waits, header := c.waits(), accepted.header
	var said wire.Accepted
	if accepted.decode(&said) == nil && said.RedirectURL != "" {
		return Result{}, &ActionRequiredError{OrderID: orderID, RedirectURL: said.RedirectURL}
	}
	for {
		if err := waits.wait(ctx, header); err != nil {
			return Result{}, &UnfinishedError{OrderID: orderID, Cause: err}
		}
		p, err := c.Get(ctx, orderID)
		if err != nil { // a refused lookup, for example with a revoked key, does not mean that the payment was refused
			return Result{}, &UnfinishedError{OrderID: orderID, Cause: err}
		}
		switch p.State {
		case StateSucceeded, StateAuthorized:
			return Result{TransactionID: p.TransactionID, Authorized: p.State == StateAuthorized}, nil
		case StateVoided:
			return Result{}, &RefusedError{OrderID: orderID, State: p.State, Sentence: "the payment was voided; use a new order id"}
		case StateDeclined:
			return Result{}, &DeclinedError{OrderID: orderID, Code: p.Code}
		case StateFailed:
			return Result{}, &FailedError{OrderID: orderID, Reason: p.Reason}
		case StatePending:
			if p.RedirectURL != "" {
				return Result{}, &ActionRequiredError{OrderID: orderID, RedirectURL: p.RedirectURL}
			}
		case StateProcessing, StateScheduled, StateUnresolved:
		}
		header = nil
	}
}
