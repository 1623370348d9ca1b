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
}

// Result is a payment or a refund that succeeded: the money is taken or given back, once.
type Result struct {
	TransactionID string
	// Replayed means that the order had been charged, or the refund made, before this request.
	Replayed bool
}

// Pay charges an order, and returns when the payment is decided or ctx is cancelled. The error is a
// *[DeclinedError], *[FailedError], *[MismatchError], *[ActionRequiredError], *[RequestError] or
// *[UnfinishedError]. After any of them, the same Pay again cannot charge twice.
func (c *Client) Pay(ctx context.Context, p Payment) (Result, error) {
	body, err := json.Marshal(wire.PaymentRequest{
		OrderID: p.OrderID, Amount: json.Number(p.Amount), Currency: p.Currency,
		PaymentMethod: p.PaymentMethod,
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
		return Result{TransactionID: succeeded.TransactionID, Replayed: answer.replayed()}, err
	case http.StatusAccepted:
		return c.await(ctx, p.OrderID, answer)
	case http.StatusPaymentRequired:
		fault, _ := answer.serviceError()
		return Result{}, &DeclinedError{OrderID: p.OrderID, Code: fault.code}
	case http.StatusUnprocessableEntity:
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
		case StateSucceeded:
			return Result{TransactionID: p.TransactionID}, nil
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
