package client

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"paymentd/client/internal/wire"
)

// Capture is how much of the money that is held to take. The rest is released.
type Capture struct {
	OrderID string
	// Amount is a decimal number in units of the currency, such as "60.00"; empty for all that is held.
	Amount string
	// Currency is an ISO 4217 code; empty for that of the payment.
	Currency string
	// Reason is text in one line of at most 500 bytes; it may be empty.
	Reason string
}

// Void is a payment whose money to release.
type Void struct {
	OrderID string
	// Reason is text in one line of at most 500 bytes; it may be empty.
	Reason string
}

// codeAbandoned is the code of a pending payment that was cancelled.
const codeAbandoned = "abandoned"

// Capture takes money that an authorized payment holds, and returns when that is decided or ctx is cancelled. The error
// is [ErrNotFound] (the order has no payment), or a *[DeclinedError], *[FailedError], *[MismatchError], *[RefusedError],
// *[RequestError] or *[UnfinishedError]. After any of them, the same Capture again cannot capture twice.
func (c *Client) Capture(ctx context.Context, r Capture) (Result, error) {
	body, err := json.Marshal(wire.CaptureRequest{
		Amount: json.Number(r.Amount), Currency: r.Currency, Reason: r.Reason,
	})
	if err != nil {
		return Result{}, &RequestError{Sentence: "the amount must be a decimal number such as 60.00"}
	}
	return c.operate(ctx, OperationCapture, r.OrderID, body)
}

// Void releases the money that an authorized payment holds, or cancels a pending one. It returns as [Client.Capture]
// does, and is safe to repeat.
func (c *Client) Void(ctx context.Context, r Void) (Result, error) {
	body, err := json.Marshal(wire.VoidRequest{Reason: r.Reason})
	if err != nil {
		return Result{}, err
	}
	return c.operate(ctx, OperationVoid, r.OrderID, body)
}

// operate captures or voids a payment.
func (c *Client) operate(ctx context.Context, kind OperationKind, orderID string, body []byte) (Result, error) {
	for {
		answer, err := c.sendUntilFinal(ctx, http.MethodPost, paymentPath(orderID)+"/"+string(kind), body)
		if err != nil {
			return Result{}, &UnfinishedError{OrderID: orderID, Operation: kind, Cause: err}
		}
		if answer.status != http.StatusAccepted {
			return operated(kind, orderID, answer)
		}
		result, decided, err := c.awaitOperation(ctx, kind, orderID, answer)
		if decided || err != nil {
			return result, err
		}
	}
}

// operated returns the result of a request to capture or to void that was decided.
func operated(kind OperationKind, orderID string, answer reply) (Result, error) {
	fault, _ := answer.serviceError()
	switch answer.status {
	case http.StatusOK:
		var made wire.Voided // a capture has the same members
		err := answer.decode(&made)
		return Result{TransactionID: made.TransactionID, Replayed: answer.replayed()}, err
	case http.StatusPaymentRequired:
		return Result{}, &DeclinedError{OrderID: orderID, Operation: kind, Code: fault.code}
	case http.StatusBadGateway:
		return Result{}, &FailedError{OrderID: orderID, Operation: kind, Reason: fault.sentence}
	case http.StatusUnprocessableEntity:
		if fault.kind == problemCaptureMismatch {
			return Result{}, &MismatchError{OrderID: orderID, Operation: kind}
		}
		return Result{}, &RefusedError{OrderID: orderID, Operation: kind, State: fault.state, Sentence: fault.sentence}
	case http.StatusNotFound:
		return Result{}, notFound(answer)
	}
	return Result{}, requestError(answer)
}

// awaitOperation polls the payment until its accepted operation is decided. It returns false if the payment has no such
// operation any more that could be decided: a pending payment whose cancellation was asked for has another outcome.
func (c *Client) awaitOperation(
	ctx context.Context, kind OperationKind, orderID string, accepted reply,
) (result Result, decided bool, err error) {
	waits, header := c.waits(), accepted.header
	for {
		if err := waits.wait(ctx, header); err != nil {
			return Result{}, true, &UnfinishedError{OrderID: orderID, Operation: kind, Cause: err}
		}
		p, err := c.Get(ctx, orderID)
		if err != nil { // a refused lookup does not mean that the operation was refused
			return Result{}, true, &UnfinishedError{OrderID: orderID, Operation: kind, Cause: err}
		}
		i := slices.IndexFunc(p.Operations, func(o OperationStatus) bool { return o.Kind == kind })
		switch {
		case i < 0 && p.State == StateDeclined && p.Code == codeAbandoned:
			return Result{}, true, nil
		case i < 0 && p.State != StatePending:
			return Result{}, false, nil
		case i < 0:
			header = nil
			continue
		}
		switch o := p.Operations[i]; o.State {
		case StateSucceeded:
			return Result{TransactionID: o.TransactionID}, true, nil
		case StateDeclined:
			return Result{}, true, &DeclinedError{OrderID: orderID, Operation: kind, Code: o.Code}
		case StateFailed:
			return Result{}, true, &FailedError{OrderID: orderID, Operation: kind, Reason: o.StateReason}
		case StateProcessing, StateScheduled, StatePending, StateUnresolved,
			StateAuthorized, StateVoided: // the last two are of payments only
		}
		header = nil
	}
}
