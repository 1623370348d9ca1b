package core

import (
	"errors"
	"time"

	"paymentd/core/payment"
)

var (
	// ErrBusy: another worker is at the payment, and was not done when the wait was over.
	ErrBusy = errors.New("the payment is being processed")
	// ErrMismatch: the order is known with another amount or currency.
	ErrMismatch = errors.New("the order has another amount or currency")
	// ErrForeignGateway: the payment was begun at a gateway that this service is not configured
	// for, and its key there is not closed.
	ErrForeignGateway = errors.New("the payment was begun at another gateway, and may have been charged there")
)

// Request asks that an order be charged.
type Request struct {
	OrderID payment.OrderID
	Money   payment.Money
	// Wait is how long to wait for another worker's end; zero to fail at once. Nil for the
	// service's own limit.
	Wait *time.Duration
	// Async asks only that the payment be accepted; the queue charges.
	Async bool
}

// Answer is what a caller is told of a payment.
type Answer struct {
	OrderID       payment.OrderID
	State         payment.State // never StateProcessing
	TransactionID string        // with StateSucceeded
	Code          string        // with StateDeclined and StateFailed
	Reason        string
	// Replayed: this request charged nothing; the order had succeeded before, or another
	// request's attempt did.
	Replayed bool
	// Async: the payment was accepted for later because the request asked for that.
	Async bool
	// GatewayKey names what was done at the gateway, for whoever follows it there.
	GatewayKey payment.GatewayKey
	// Attempts counts the payment's attempts so far.
	Attempts int
	// RetryAfter is when asking again is worth it, with StateScheduled and
	// StateUnresolved.
	RetryAfter time.Duration
}
