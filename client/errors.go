package client

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// ErrNotFound means that there was no request for this order.
var ErrNotFound = errors.New("no such payment")

// DeclinedError means that the gateway declined. Another Pay is another attempt.
type DeclinedError struct {
	OrderID string
	Code    string // the gateway's reason, such as card_declined
}

func (e *DeclinedError) Error() string {
	return fmt.Sprintf("pay order %s: declined: %s", e.OrderID, e.Code)
}

// FailedError means that the order was provably not charged, after all retries of the service.
// Another Pay tries again.
type FailedError struct {
	OrderID string
	Reason  string
}

func (e *FailedError) Error() string {
	return fmt.Sprintf("pay order %s: not charged: %s", e.OrderID, e.Reason)
}

// MismatchError means that the order exists with another amount or currency.
type MismatchError struct{ OrderID string }

func (e *MismatchError) Error() string {
	return fmt.Sprintf("pay order %s: the order is known with another amount or currency", e.OrderID)
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

// UnfinishedError means that the outcome of the payment is not known here: the context was
// cancelled before it was decided, or it was accepted and cannot be looked up. The same Pay again
// finds out, or charges if nothing has.
type UnfinishedError struct {
	OrderID string
	Cause   error // the context's error, and the error of the last request
}

func (e *UnfinishedError) Error() string {
	return fmt.Sprintf("pay order %s: not decided: %v", e.OrderID, e.Cause)
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
		fault.Error = "the response is not from paymentd"
	}
	return &RequestError{Status: r.status, Sentence: fault.Error}
}
