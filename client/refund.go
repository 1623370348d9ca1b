package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"paymentd/client/internal/wire"
)

// Refund is how much of a payment to give back.
type Refund struct {
	OrderID string
	// RefundID is the caller's id of the refund within the order: 1 to 128 printable ASCII characters without
	// spaces. The same RefundID again cannot refund twice.
	RefundID string
	// Amount is a decimal number in units of the currency, such as "25.00"; empty for what is left.
	Amount string
	// Currency is an ISO 4217 code; empty for that of the payment.
	Currency string
	// Reason is text in one line of at most 500 bytes; it may be empty.
	Reason string
}

// RefundStatus is the current state of a refund, with every attempt. Its timeline is set only by [Client.GetRefund].
type RefundStatus = wire.Refund

// CodeRefundReturned is the code of a refund whose money the bank gave back after the refund had succeeded. It is
// final: another refund needs another RefundID.
const CodeRefundReturned = "refund_returned"

// Refund gives money of a payment back, and returns when the refund is decided or ctx is cancelled. The error is
// [ErrNotFound] (the order has no payment), or a *[DeclinedError], *[FailedError], *[MismatchError], *[RefusedError],
// *[RequestError] or *[UnfinishedError]. After any of them, the same Refund again cannot refund twice.
func (c *Client) Refund(ctx context.Context, r Refund) (Result, error) {
	body, err := json.Marshal(wire.RefundRequest{
		RefundID: r.RefundID, Amount: json.Number(r.Amount), Currency: r.Currency, Reason: r.Reason,
	})
	if err != nil {
		return Result{}, &RequestError{Sentence: "the amount must be a decimal number such as 25.00"}
	}
	answer, err := c.sendUntilFinal(ctx, http.MethodPost, refundsPath(r.OrderID), body)
	if err != nil {
		return Result{}, &UnfinishedError{OrderID: r.OrderID, Operation: OperationRefund, RefundID: r.RefundID, Cause: err}
	}
	fault, _ := answer.serviceError()
	switch answer.status {
	case http.StatusOK:
		var made wire.Refunded
		err := answer.decode(&made)
		return Result{TransactionID: made.TransactionID, Replayed: answer.replayed()}, err
	case http.StatusAccepted:
		return c.awaitRefund(ctx, r, answer)
	case http.StatusPaymentRequired:
		return Result{}, &DeclinedError{OrderID: r.OrderID, Operation: OperationRefund, RefundID: r.RefundID, Code: fault.code}
	case http.StatusBadGateway:
		return Result{}, &FailedError{OrderID: r.OrderID, Operation: OperationRefund, RefundID: r.RefundID, Reason: fault.sentence}
	case http.StatusUnprocessableEntity:
		if fault.kind == problemRefundMismatch {
			return Result{}, &MismatchError{OrderID: r.OrderID, Operation: OperationRefund, RefundID: r.RefundID}
		}
		return Result{}, &RefusedError{
			OrderID: r.OrderID, Operation: OperationRefund, RefundID: r.RefundID, State: fault.state, Sentence: fault.sentence,
		}
	case http.StatusNotFound:
		return Result{}, notFound(answer)
	}
	return Result{}, requestError(answer)
}

// awaitRefund polls an accepted refund until it is decided.
func (c *Client) awaitRefund(ctx context.Context, r Refund, accepted reply) (Result, error) {
	waits, header := c.waits(), accepted.header
	for {
		if err := waits.wait(ctx, header); err != nil {
			return Result{}, &UnfinishedError{OrderID: r.OrderID, Operation: OperationRefund, RefundID: r.RefundID, Cause: err}
		}
		s, err := c.GetRefund(ctx, r.OrderID, r.RefundID)
		if err != nil { // a refused lookup does not mean that the refund was refused
			return Result{}, &UnfinishedError{OrderID: r.OrderID, Operation: OperationRefund, RefundID: r.RefundID, Cause: err}
		}
		switch s.State {
		case StateSucceeded:
			return Result{TransactionID: s.TransactionID}, nil
		case StateDeclined:
			return Result{}, &DeclinedError{OrderID: r.OrderID, Operation: OperationRefund, RefundID: r.RefundID, Code: s.Code}
		case StateFailed:
			return Result{}, &FailedError{OrderID: r.OrderID, Operation: OperationRefund, RefundID: r.RefundID, Reason: s.StateReason}
		case StateProcessing, StateScheduled, StatePending, StateUnresolved,
			StateAuthorized, StateVoided: // the last two are of payments only
		}
		header = nil
	}
}

// GetRefund returns a refund with its attempts and timeline, or [ErrNotFound]. It retries until ctx is cancelled if
// the service is unavailable.
func (c *Client) GetRefund(ctx context.Context, orderID, refundID string) (RefundStatus, error) {
	var s RefundStatus
	err := c.read(ctx, refundsPath(orderID)+"/"+url.PathEscape(refundID), &s)
	return s, err
}

// Refunds returns all refunds of an order, the oldest first, or [ErrNotFound] if the order has no payment. It retries
// until ctx is cancelled if the service is unavailable.
func (c *Client) Refunds(ctx context.Context, orderID string) ([]RefundStatus, error) {
	var list wire.RefundList
	err := c.read(ctx, refundsPath(orderID), &list)
	return list.Refunds, err
}

// read reads one resource as JSON.
func (c *Client) read(ctx context.Context, path string, into any) error {
	answer, err := c.sendUntilFinal(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	switch answer.status {
	case http.StatusOK:
		return answer.decode(into)
	case http.StatusNotFound:
		return notFound(answer)
	}
	return requestError(answer)
}

// notFound returns ErrNotFound if the service has no such payment or refund. A path that it does not know, as in a
// version without refunds, is another error.
func notFound(answer reply) error {
	fault, ours := answer.serviceError()
	if ours && fault.kind != problemNoPath {
		return ErrNotFound
	}
	return requestError(answer)
}

func refundsPath(orderID string) string { return paymentPath(orderID) + "/refunds" }
