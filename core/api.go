package core

import (
	"errors"
	"time"

	"paymentd/core/payment"
)

var (
	// ErrBusy: another worker holds the payment's claim, and did not finish before the wait ended.
	ErrBusy = errors.New("the payment is being processed")
	// ErrMismatch: the order is stored with another amount, currency or capture.
	ErrMismatch = errors.New("the order has another amount, currency or capture")
	// ErrVoided: the money was held for the order and was released; the order cannot be charged any more.
	ErrVoided = errors.New("the payment was voided")
	// ErrForeignGateway: the payment began at a gateway that this service is not configured for, and
	// its key there is not closed.
	ErrForeignGateway = errors.New("the payment began at another gateway, and may have been charged there")
	// ErrKeyOpen: the request has another payment method, and the charge with the earlier one may still
	// take the money.
	ErrKeyOpen = errors.New("the charge with the earlier payment method may still take the money")
	// errOtherKind is a mistake of the caller in this program.
	errOtherKind = errors.New("the request is for another kind of operation than the method")
	// ErrStopping: the service is stopping.
	ErrStopping = errors.New("the service is stopping")
)

// GatewaysUnavailableError refuses a new payment because no gateway of its route can be reached. Nothing was
// charged or stored.
type GatewaysUnavailableError struct {
	RetryAfter time.Duration
}

// Error says that nothing was charged.
func (e *GatewaysUnavailableError) Error() string {
	return "no gateway can be reached; nothing was charged"
}

// Request asks to charge an order, or for another operation of it.
type Request struct {
	OrderID payment.OrderID
	// Operation is the zero value for the charge.
	Operation payment.OperationID
	// Money is the amount. Of an operation other than the charge, it may be zero: the stored amount or, if the
	// operation is new, what is left.
	Money payment.Money
	// Capture is whether the charge takes the money, or only holds it. Ignored for other operations.
	Capture payment.CaptureMode
	// Note is why an operation other than the charge is asked for, as text for an operator; it may be empty.
	Note string
	// Method is what to charge. Empty if the gateway needs none, or for the one that is stored.
	Method payment.PaymentMethod
	// Wait is how long to wait if another worker holds the claim; zero to fail at once. Nil for
	// [Settings.Wait].
	Wait *time.Duration
	// Async asks to accept the payment only; the queue charges it.
	Async bool
}

// Validate returns a *payment.FieldError if the request cannot be processed.
func (r Request) Validate() error {
	if _, err := payment.ParseOrderID(string(r.OrderID)); err != nil {
		return err
	}
	switch r.Operation.Kind {
	case payment.KindRefund:
		_, err := payment.ParseRefundID(r.Operation.Name)
		return err
	case payment.KindCapture, payment.KindVoid:
		return nil
	case payment.KindCharge:
	}
	if r.Money.IsZero() {
		return &payment.FieldError{Field: "amount", Message: "amount must be above zero"}
	}
	return nil
}

// ref names the operation that the request asks for.
func (r Request) ref() payment.Ref { return payment.Ref{OrderID: r.OrderID, Operation: r.Operation} }

// sameTerms reports whether the request is for the amount of a stored operation and, for a charge, has its capture.
func (r Request) sameTerms(p *payment.Payment) bool {
	return (r.Money == p.Money || r.Money.IsZero()) && (!r.Operation.IsCharge() || r.Capture == p.Capture)
}

// Answer is the state of a payment or of another operation as returned to a caller.
type Answer struct {
	OrderID       payment.OrderID
	Operation     payment.OperationID
	Money         payment.Money
	State         payment.State // never StateProcessing
	TransactionID string        // with StateSucceeded and StateAuthorized
	Code          string        // with StateDeclined and StateFailed
	Reason        string
	// Replayed: this request charged nothing, because an earlier or a concurrent request
	// succeeded.
	Replayed bool
	// Async: the request asked for asynchronous processing, and the payment was accepted.
	Async bool
	// GatewayKey identifies the payment's attempts at the gateway.
	GatewayKey payment.GatewayKey
	// Attempts counts the payment's attempts so far.
	Attempts int
	// RedirectURL is where the customer must act; with StatePending, and empty if there is nothing to do.
	RedirectURL string
	// RetryAfter is how long to wait before asking again, with StateScheduled, StatePending and
	// StateUnresolved.
	RetryAfter time.Duration
}
