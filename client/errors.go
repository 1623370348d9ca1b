package client

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// ErrNotFound: nobody ever asked for this order.
var ErrNotFound = errors.New("no such payment")

// DeclinedError means that the gateway said no. Another Pay is another attempt.
type DeclinedError struct {
	OrderID string
	Code    string // the gateway's reason, such as card_declined
}

func (e *DeclinedError) Error() string {
	return fmt.Sprintf("pay order %s: declined: %s", e.OrderID, e.Code)
}

// FailedError means provably not charged, after all the service's retries. Another Pay tries again.
type FailedError struct {
	OrderID string
	Reason  string
}

func (e *FailedError) Error() string {
	return fmt.Sprintf("pay order %s: not charged: %s", e.OrderID, e.Reason)
}

// MismatchError means that the order is known with another amount or currency.
type MismatchError struct{ OrderID string }

func (e *MismatchError) Error() string {
	return fmt.Sprintf("pay order %s: the order is known with another amount or currency", e.OrderID)
}

// UnreadableError means that a list is not whole: what the service has stored of these orders cannot be read,
// and an operator must repair it.
type UnreadableError struct{ OrderIDs []string }

func (e *UnreadableError) Error() string {
	return fmt.Sprintf("list payments: %d are left out, because what is stored of them cannot be read: %s",
		len(e.OrderIDs), strings.Join(e.OrderIDs, ", "))
}

// UnfinishedError means that what becomes of the payment is not known here: the context ended before
// it did, or it was accepted and may not be looked at. The same Pay again finds out, or charges if
// nothing has.
type UnfinishedError struct {
	OrderID string
	Cause   error // the context's error, and what the last request met
}

func (e *UnfinishedError) Error() string {
	return fmt.Sprintf("pay order %s: no end yet: %v", e.OrderID, e.Cause)
}

// Unwrap returns the cause.
func (e *UnfinishedError) Unwrap() error { return e.Cause }

// RequestError means that the request was refused, and would be again.
type RequestError struct {
	Status   int    // of HTTP; zero where it was not even sent
	Sentence string // says what to change
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
		fault.Error = "the answer is not one of paymentd"
	}
	return &RequestError{Status: r.status, Sentence: fault.Error}
}
