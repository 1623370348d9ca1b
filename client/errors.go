package client

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// ErrNotFound means that there was no request for this order, or for this refund of it.
var ErrNotFound = errors.New("no such payment or refund")

// action is what was requested, for an error: "pay order order-1", "capture order order-1" or "refund r-1 of order
// order-1".
func action(operation OperationKind, orderID, refundID string) string {
	switch operation {
	case "":
		return "pay order " + orderID
	case OperationRefund:
		return "refund " + refundID + " of order " + orderID
	default:
		return string(operation) + " order " + orderID
	}
}

// DeclinedError means that the gateway declined. The same request again is another attempt, unless the code is
// [CodeRefundReturned].
type DeclinedError struct {
	OrderID   string
	Operation OperationKind // empty for a payment
	RefundID  string        // only of a refund
	Code      string        // the gateway's reason, such as card_declined
}

func (e *DeclinedError) Error() string {
	return fmt.Sprintf("%s: declined: %s", action(e.Operation, e.OrderID, e.RefundID), e.Code)
}

// FailedError means that the order was provably not charged, or the operation provably not made, after all retries of
// the service. The same request again tries again.
type FailedError struct {
	OrderID   string
	Operation OperationKind // empty for a payment
	RefundID  string        // only of a refund
	Reason    string
}

func (e *FailedError) Error() string {
	outcome := map[OperationKind]string{
		"": "not charged", OperationCapture: "not captured", OperationVoid: "not voided", OperationRefund: "not refunded",
	}[e.Operation]
	return fmt.Sprintf("%s: %s: %s", action(e.Operation, e.OrderID, e.RefundID), outcome, e.Reason)
}

// MismatchError means that the order, its capture or the refund exists with another amount or currency, or the order
// with another capture mode.
type MismatchError struct {
	OrderID   string
	Operation OperationKind // empty for a payment
	RefundID  string        // only of a refund
}

func (e *MismatchError) Error() string {
	known, terms := "order", "amount, currency or capture"
	if e.Operation != "" {
		known, terms = string(e.Operation), "amount or currency"
	}
	return fmt.Sprintf("%s: the %s is known with another %s", action(e.Operation, e.OrderID, e.RefundID), known, terms)
}

// RefusedError means that the payment does not allow the operation, for example because less is left of it, or its state
// is another one. No money was moved by this request.
type RefusedError struct {
	OrderID   string
	Operation OperationKind // empty for a payment
	RefundID  string        // only of a refund
	State     State         // of the payment, if it is the reason
	Sentence  string        // what to change; it has the amount that is left
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s: %s", action(e.Operation, e.OrderID, e.RefundID), e.Sentence)
}

// UnreadableError means that a list is incomplete: the service cannot read the stored rows of these
// orders, and an operator must repair them.
type UnreadableError struct{ OrderIDs []string }

func (e *UnreadableError) Error() string {
	return fmt.Sprintf("list payments: %d are left out because their stored data cannot be read: %s",
		len(e.OrderIDs), strings.Join(e.OrderIDs, ", "))
}

// ActionRequiredError means that the customer must act, such as to authenticate, before the gateway decides.
// Send the customer to RedirectURL, and call Pay again afterwards.
type ActionRequiredError struct {
	OrderID     string
	RedirectURL string
}

func (e *ActionRequiredError) Error() string {
	return fmt.Sprintf("pay order %s: the customer must act at %s", e.OrderID, e.RedirectURL)
}

// UnfinishedError means that the outcome of the payment or other operation is not known here: the context was
// cancelled before it was decided, or it was accepted and cannot be looked up. The same request again
// finds out, or does it if nothing has.
type UnfinishedError struct {
	OrderID   string
	Operation OperationKind // empty for a payment
	RefundID  string        // only of a refund
	Cause     error         // the context's error, and the error of the last request
}

func (e *UnfinishedError) Error() string {
	return fmt.Sprintf("%s: not decided: %v", action(e.Operation, e.OrderID, e.RefundID), e.Cause)
}

// Unwrap returns the cause.
func (e *UnfinishedError) Unwrap() error { return e.Cause }

// RequestError means that the request was refused, and that a retry would be refused as well.
type RequestError struct {
	Status   int    // of HTTP; zero if the request was not sent
	Sentence string // what to change
}

func (e *RequestError) Error() string {
	if e.Status == 0 {
		return e.Sentence
	}
	return fmt.Sprintf("%d %s: %s", e.Status, http.StatusText(e.Status), e.Sentence)
}

func requestError(r reply) *RequestError {
	fault, ours := r.serviceError()
	if !ours {
		fault.sentence = "the response is not from paymentd"
	}
	return &RequestError{Status: r.status, Sentence: fault.sentence}
}
