package core

import (
	"context"
	"errors"
	"fmt"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// OperatorStore is a repository that operators read and act on.
type OperatorStore interface {
	ports.Payments
	ports.Operators
	ports.Summaries
	ports.WaitingOperations
}

// Operator has the use cases of a person who watches the payments of a running service and acts on them. Every act
// is kept in the history with the name of the person.
type Operator struct {
	*Service

	store OperatorStore
}

// NewOperator returns the use cases of operators of a service, which has the store as its repository.
func NewOperator(s *Service, store OperatorStore) *Operator {
	return &Operator{Service: s, store: store}
}

// now is the time of the database's clock at a read, and that of the worker's.
func (o *Operator) now(read time.Time) payment.Instant {
	return payment.Instant{DB: read, Worker: micros(time.Now())}
}

// Find returns a payment or other operation without its history, or ports.ErrNotFound.
func (o *Operator) Find(ctx context.Context, ref payment.Ref) (payment.Payment, error) {
	return o.find(ctx, ref)
}

// Explain answers, for a payment or other operation that was just read, why its money cannot be moved twice now, and
// what decides about it next.
func (o *Operator) Explain(h ports.History) payment.Explanation {
	return h.Explain(o.rules(), o.now(h.Payment.SeenAt))
}

// ErrUnknownKey: the operation has never had the gateway key.
var ErrUnknownKey = errors.New("the operation has no such gateway key")

// Ask asks the gateway what it has done with one of the keys of a payment or other operation. It stores nothing and
// moves no money. The error is [ErrUnknownKey] or ports.ErrNotFound; a gateway that does not answer is no error.
func (o *Operator) Ask(ctx context.Context, h ports.History, key payment.GatewayKey) (payment.Lookup, error) {
	if !h.HasKey(key) {
		return payment.Lookup{}, ErrUnknownKey
	}
	p := h.Payment
	p.Keys = h.Keys
	ctx, cancel := context.WithTimeout(ctx, o.GatewayTimeout)
	defer cancel()
	return o.lookUpKey(ctx, &p, key, o.now(p.SeenAt), false).Result, nil
}

// Expedite has the service continue with a payment or other operation now. The errors are ports.ErrNotFound,
// *payment.FieldError and *payment.NotExpeditedError.
func (o *Operator) Expedite(ctx context.Context, ref payment.Ref, retry bool, by string) error {
	if err := payment.CheckOperator(by); err != nil {
		return err
	}
	err := o.store.Expedite(ctx, payment.Expedite{
		OrderID: ref.OrderID, Operation: ref.Operation, Retry: retry, By: by, Rules: o.rules(), Worker: micros(time.Now()),
	})
	if err == nil || errors.Is(err, ports.ErrInDoubt) {
		o.wakeQueue()
	}
	return err
}

// Resolve settles a payment or other operation as a person decided. The errors are those of [Resolve].
func (o *Operator) Resolve(ctx context.Context, ref payment.Ref, outcome payment.Outcome, by string) error {
	return Resolve(ctx, o.store, payment.Resolution{
		OrderID: ref.OrderID, Operation: ref.Operation, Outcome: outcome, By: by, Rules: o.rules(), Worker: micros(time.Now()),
	})
}

// RequestOperation stores a capture, a void or a refund that the queue makes. An amount of zero is what is left. The
// errors are those of [RequestOperation].
func (o *Operator) RequestOperation(
	ctx context.Context, ref payment.Ref, amount payment.Money, reason, by string,
) (payment.Payment, error) {
	p, err := RequestOperation(ctx, o.store, payment.ClaimRequest{
		OrderID: ref.OrderID, Operation: ref.Operation, Money: amount, Note: reason, By: by,
		NewKey: o.NewKey(), Replica: o.Replica, Lease: o.Lease, Rules: o.rules(), Worker: micros(time.Now()),
	})
	if err == nil || errors.Is(err, ports.ErrInDoubt) {
		o.wakeQueue()
	}
	return p, err
}

// WaitingOperations returns at most limit operations other than charges that wait, the longest due first.
func (o *Operator) WaitingOperations(ctx context.Context, limit int) (ports.OperationPage, error) {
	page, err := o.store.ListWaitingOperations(ctx, limit)
	if err != nil {
		return page, fmt.Errorf("list waiting operations: %w", err)
	}
	return page, nil
}
