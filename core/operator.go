package core

import (
	"context"

	"paymentd/core/payment"
	"paymentd/ports"
)

// Resolve settles an unresolved payment as a person decided. The errors are *payment.FieldError,
// ports.ErrNotFound and *payment.NotUnresolvedError.
func Resolve(ctx context.Context, payments ports.Payments, r payment.Resolution) error {
	if err := r.Check(); err != nil {
		return err
	}
	return payments.Resolve(ctx, r)
}

// RequestOperation stores a capture, a void or a refund that an operator asks for, so that the queue of a running
// service makes it, and returns it as it is stored then. It calls no gateway. It is what a client requests with
// respond-async, except that the history names the operator. r needs the order, the operation, the reason as its Note,
// the operator, a new key and the rules; an amount of zero is what is left. The errors are *payment.FieldError,
// ports.ErrNotFound (the order has no payment), payment.ErrChargeOpen, *payment.OperationRefusedError, [ErrMismatch] and
// [ErrForeignGateway]. After ports.ErrUnavailable and ports.ErrInDoubt, it is safe to repeat with the same operation.
func RequestOperation(
	ctx context.Context, payments ports.Payments, r payment.ClaimRequest,
) (payment.Payment, error) {
	if err := checkRequested(r); err != nil {
		return payment.Payment{}, err
	}
	r.Deferred, r.Async = true, true
	if r.Operation.Kind == payment.KindVoid {
		p, pending, err := requestCancel(ctx, payments, r)
		if pending || err != nil {
			return p, err
		}
	}
	p, verdict, err := payments.Claim(ctx, r)
	if err != nil {
		return payment.Payment{}, err
	}
	return *p, notAccepted(verdict)
}

// checkRequested checks the operator and the reason of an operation. The error is a *payment.FieldError.
func checkRequested(r payment.ClaimRequest) error {
	if err := payment.CheckOperator(r.By); err != nil {
		return err
	}
	if r.Note == "" {
		return &payment.FieldError{Field: "reason", Message: "the reason must not be empty: say why"}
	}
	_, err := payment.ParseRefundReason(r.Note)
	return err
}

// requestCancel stores that a pending payment is to be cancelled, and reports whether it is pending. It returns the
// payment as the void.
func requestCancel(
	ctx context.Context, payments ports.Payments, r payment.ClaimRequest,
) (void payment.Payment, pending bool, err error) {
	p, err := payments.Find(ctx, r.OrderID)
	if err != nil || p.State != payment.StatePending {
		return payment.Payment{}, false, err
	}
	after, verdict, err := payments.Claim(ctx, cancelRequest(p, r))
	switch {
	case err != nil:
		return payment.Payment{}, false, err
	case verdict == payment.VerdictKeyOpen:
		return payment.Payment{}, false, errCannotCancel(p)
	case verdict != payment.VerdictAccepted:
		return payment.Payment{}, false, nil // its state has changed
	}
	after.Operation = r.Operation
	return *after, true, nil
}
