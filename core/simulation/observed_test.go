package simulation

import (
	"context"
	"errors"

	"paymentd/core/payment"
	"paymentd/ports"
)

// observedPayments is the database as one replica sees it, lost answers included. It checks that a
// request that must wait for another worker's outcome waits and returns that outcome.
type observedPayments struct {
	ports.Payments

	audit *audit
}

// waiting is what a request knows about the worker that it waits for.
type waiting struct {
	shown  payment.State         // how the payment ended, if it was shown
	of     payment.OperationID   // which of its operations that was
	method payment.PaymentMethod // of that payment
	fenced bool                  // it has lost its claim, and has not looked since
	asked  bool                  // for the claim: a read before that is not waiting
}

func (p observedPayments) Find(ctx context.Context, id payment.OrderID) (payment.Payment, error) {
	is, err := p.Payments.Find(ctx, id)
	return is, p.shown(ctx, is, err)
}

func (p observedPayments) FindOperation(ctx context.Context, ref payment.Ref) (payment.Payment, error) {
	is, err := p.Payments.FindOperation(ctx, ref)
	return is, p.shown(ctx, is, err)
}

// shown notes what a request that waits has read.
func (p observedPayments) shown(ctx context.Context, is payment.Payment, err error) error {
	if err != nil {
		return err
	}
	p.audit.mu.Lock()
	defer p.audit.mu.Unlock()
	w := p.audit.waits[requestNumber(ctx)]
	w.fenced = false
	if is.RoundOver() && w.asked {
		w.shown, w.of, w.method = is.State, is.Operation, is.Method
	}
	p.audit.waits[requestNumber(ctx)] = w
	return nil
}

func (p observedPayments) Claim(
	ctx context.Context, ask payment.ClaimRequest,
) (*payment.Payment, payment.Verdict, error) {
	is, verdict, err := p.Payments.Claim(ctx, ask)
	p.audit.mu.Lock()
	defer p.audit.mu.Unlock()
	w := p.audit.waits[requestNumber(ctx)]
	w.asked = true
	p.audit.waits[requestNumber(ctx)] = w
	// Whose outcome is not the request's: a void of a pending payment waits for its charge, and may then void the hold.
	other := ask.Method != "" && ask.Method != w.method || ask.Operation != w.of
	if w.shown != "" && verdict == payment.VerdictClaimed && !other {
		p.audit.world.report(ask.OrderID, "request %d was shown that the payment is %s, and began a round of its own",
			requestNumber(ctx), w.shown)
	}
	return is, verdict, err
}

func (p observedPayments) Renew(ctx context.Context, r payment.Renewal) error {
	return p.fenced(ctx, p.Payments.Renew(ctx, r))
}

func (p observedPayments) Settle(ctx context.Context, s payment.Settlement) error {
	return p.fenced(ctx, p.Payments.Settle(ctx, s))
}

func (p observedPayments) RecordLookup(
	ctx context.Context, r payment.LookupRecord,
) (payment.Payment, payment.Verdict, error) {
	is, verdict, err := p.Payments.RecordLookup(ctx, r)
	return is, verdict, p.fenced(ctx, err)
}

func (p observedPayments) RecordApproval(
	ctx context.Context, a payment.Approval,
) (payment.Payment, payment.Verdict, error) {
	p.audit.mu.Lock()
	delete(p.audit.record(subjectOf(a.OrderID, a.Operation)).dropped, a.TransactionID)
	p.audit.mu.Unlock()
	return p.Payments.RecordApproval(ctx, a)
}

// fenced notes whose claim was lost.
func (p observedPayments) fenced(ctx context.Context, err error) error {
	if number := requestNumber(ctx); number != 0 && errors.Is(err, payment.ErrFenced) {
		p.audit.mu.Lock()
		defer p.audit.mu.Unlock()
		w := p.audit.waits[number]
		w.fenced = true
		p.audit.waits[number] = w
	}
	return err
}
