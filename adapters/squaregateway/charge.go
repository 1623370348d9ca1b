package squaregateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"paymentd/core/payment"
	"paymentd/internal/httpcall"
)

// createRequest is the body of CreatePayment. It has nothing that differs between attempts, because
// Square refuses a key that comes again with another body.
type createRequest struct {
	SourceID       string `json:"source_id"`
	IdempotencyKey string `json:"idempotency_key"`
	AmountMoney    money  `json:"amount_money"`
	LocationID     string `json:"location_id"`
	ReferenceID    string `json:"reference_id"`
	Note           string `json:"note"`
	Autocomplete   bool   `json:"autocomplete"`
	DelayDuration  string `json:"delay_duration,omitempty"`
	DelayAction    string `json:"delay_action"`
}

// Charge makes one attempt at a charge or at another operation; see ports.Gateway and the tables of this package.
func (g *Gateway) Charge(ctx context.Context, c payment.Charge) payment.Result {
	switch c.Operation.Kind {
	case payment.KindCharge:
		return g.charge(ctx, c)
	case payment.KindCapture:
		return g.capture(ctx, c)
	case payment.KindVoid:
		return g.void(ctx, c)
	case payment.KindRefund:
		return g.refund(ctx, c)
	}
	return payment.Result{Class: payment.ClassRejected, Message: clip("a " + string(c.Operation.Kind) + " is not supported by this adapter of Square; nothing was sent")}
}

// charge makes one attempt at a charge: CreatePayment and, unless the charge is manual, CompletePayment.
func (g *Gateway) charge(ctx context.Context, c payment.Charge) payment.Result {
	amount, err := g.check(c)
	if err != nil {
		return payment.Result{Class: payment.ClassRejected, Message: clip(err.Error() + "; nothing was sent")}
	}
	ctx, cancel := httpcall.WithTimeout(ctx, g.timeout)
	defer cancel()
	request := createRequest{
		SourceID: string(c.Method), IdempotencyKey: string(c.Key), AmountMoney: amount, LocationID: g.location,
		ReferenceID: string(c.Key), Note: c.OrderID.String(),
		DelayDuration: holdFor, DelayAction: "CANCEL",
	}
	if c.Capture == payment.CaptureManual {
		request.DelayDuration = "" // the default is the longest ("Delayed capture"): 7 days without the card, 36 h with it
	}
	a, failed := g.call(ctx, http.MethodPost, []string{"v2/payments"}, nil, request)
	if failed != nil {
		return failed.result()
	}
	r := g.created(ctx, c, a)
	if r.Class.Retryable() && r.RetryAfter == 0 {
		r.RetryAfter = a.retryAfter()
	}
	return r
}

// check refuses a charge that Square cannot take.
func (g *Gateway) check(c payment.Charge) (money, error) {
	switch {
	case c.Key == "" || len(c.Key) > MaxKeyBytes || !printable(string(c.Key)):
		return money{}, fmt.Errorf("the gateway key must have 1 to %d characters", MaxKeyBytes)
	case c.Method == "":
		return money{}, errors.New("a charge by Square needs a payment_method: a payment token or the id of a card on file")
	}
	return moneyOf(c.Money)
}

// result returns the result of a call to CreatePayment without an answer.
func (l *lost) result() payment.Result {
	class := payment.ClassNotCharged
	if l.mayHaveLeft {
		class = payment.ClassUnknownUnanswered
	}
	return payment.Result{Class: class, Message: clip(l.message)}
}

// created classifies the answer to CreatePayment, and takes the money if it is held.
func (g *Gateway) created(ctx context.Context, c payment.Charge, a answer) payment.Result {
	switch {
	case !a.own(c.Key):
		return payment.Result{Class: payment.ClassUnknownUnanswered, Message: a.foreign()}
	case !a.fresh() && (a.payment == nil || a.payment.status != statusCompleted): // it is not about this attempt
		return payment.Result{Class: payment.ClassUnknownUnanswered, Message: clip("the answer " + a.describe() + " comes from a cache (Age)")}
	case a.payment == nil || a.payment.reference == "":
		return g.refused(ctx, c, a)
	case a.payment.charges() && !a.success():
		// It says that the payment may take money, and that it failed.
		return g.inspect(ctx, c, a.payment.id, false, "the answer "+a.describe()+" contradicts itself")
	}
	return g.settle(ctx, c, a.payment, a.errors)
}

// refused classifies errors without a payment of this key.
func (g *Gateway) refused(ctx context.Context, c payment.Charge, a answer) payment.Result {
	class, e := worst(a.errors)
	r := payment.Result{Class: class, Message: clip("Square answered " + a.describe()), Answered: true}
	switch class {
	case payment.ClassDeclined:
		r = decline([]apiError{e})
		r.Answered = true
		return g.confirmDecline(ctx, c, r)
	case payment.ClassRejected, payment.ClassNotCharged, payment.ClassUnknownAnswered,
		payment.ClassUnknownUnanswered, payment.ClassKeyReused, payment.ClassApproved, payment.ClassAuthorized, payment.ClassPending:
	}
	return r
}

// confirmDecline looks for a payment of this key, because nothing ties errors to a request. The list may
// lag, but then no attempt completes the payment.
func (g *Gateway) confirmDecline(ctx context.Context, c payment.Charge, declined payment.Result) payment.Result {
	now := g.now()
	found, why := g.list(ctx, c.Key, now.Add(-g.timeout-clockMargin), time.Time{})
	switch {
	case why != "":
		return payment.Result{
			Class: payment.ClassUnknownAnswered, Answered: true,
			Message: clip("a decline could not be confirmed (" + declined.Message + "): " + why),
		}
	case len(found) == 0 || !found[0].charges():
		return declined
	}
	return g.settle(ctx, c, found[0], nil)
}

// settle returns the result of a payment with this key, and takes the money if it is held. The errors
// are those beside the payment.
func (g *Gateway) settle(ctx context.Context, c payment.Charge, p *squarePayment, beside []apiError) payment.Result {
	r := g.state(c, p, beside)
	if p.status == statusApproved && r.Class == payment.ClassUnknownAnswered {
		return g.take(ctx, c, p)
	}
	return r
}

// state returns the result of a payment with this key. One that is held for an attempt to take is not decided.
func (g *Gateway) state(c payment.Charge, p *squarePayment, beside []apiError) payment.Result {
	r := payment.Result{Class: payment.ClassUnknownAnswered, Reference: p.id, Answered: true}
	switch {
	case p.charges() && !p.isOf(c.Money, c.Capture):
		r.Class = payment.ClassKeyReused
		r.Message = fmt.Sprintf("Square has a payment of %d %s with this key", p.money.Amount, quote(p.money.Currency))
	case p.status == statusCompleted && !p.is(c.Money): // the lookup that follows has the amount
		r.Message = "Square has taken a part of the money that the payment held"
	case p.status == statusCompleted:
		return payment.Result{Class: payment.ClassApproved, TransactionID: p.id, Answered: true}
	case p.status == statusApproved && c.Capture == payment.CaptureManual:
		return payment.Result{Class: payment.ClassAuthorized, TransactionID: p.id, HoldExpires: p.expires, Answered: true}
	case p.status == statusPending:
		r.Class, r.Message = payment.ClassPending, "Square has not decided the payment: PENDING"
	case p.status == statusCanceled:
		r.Class, r.Code = payment.ClassDeclined, payment.DeclineAbandoned
		r.Message = "CANCELED: the hold was cancelled before it was taken"
	case p.status == statusFailed:
		if len(p.errors) > 0 {
			beside = p.errors
		}
		r = decline(beside)
		r.Reference, r.Answered = p.id, true
	default: // APPROVED, and a state that is newer than this program
		r.Message = clip("Square has the payment with the status " + quote(p.status))
	}
	return r
}

// take completes a payment that is held.
func (g *Gateway) take(ctx context.Context, c payment.Charge, p *squarePayment) payment.Result {
	deadline, _ := ctx.Deadline()
	left := time.Until(deadline)
	if left < g.timeout/4 {
		return payment.Result{
			Class: payment.ClassUnknownAnswered, Reference: p.id,
			Message: "the payment is held, and the timeout is too near to take it",
		}
	}
	// The rest of the time is for GetPayment, if the answer is lost.
	part, cancel := context.WithTimeout(ctx, left*2/3)
	defer cancel()
	a, failed := g.call(part, http.MethodPost, paymentPath(p.id, "complete"), nil, struct{}{})
	switch {
	case failed != nil:
		return g.inspect(ctx, c, p.id, failed.mayHaveLeft, failed.message)
	case !a.own(c.Key) || a.payment != nil && a.payment.id != p.id:
		return g.inspect(ctx, c, p.id, true, a.foreign())
	case a.success() && a.payment != nil && a.payment.status == statusCompleted:
		return g.state(c, a.payment, nil)
	}
	r := g.inspect(ctx, c, p.id, false, "Square answered "+a.describe())
	if r.Class.Retryable() {
		r.RetryAfter = a.retryAfter()
	}
	return r
}

// inspect returns the result of a payment by its present state. It may still change if a call that
// completes it is running. why is the answer that left it open.
func (g *Gateway) inspect(ctx context.Context, c payment.Charge, id string, running bool, why string) payment.Result {
	p, failure := g.get(ctx, id, c.Key)
	if failure == "" && (p.status != statusApproved || c.Capture == payment.CaptureManual) {
		return g.state(c, p, nil)
	}
	r := payment.Result{Class: payment.ClassUnknownAnswered, Reference: id, Answered: !running && failure == ""}
	if running {
		r.Class = payment.ClassUnknownUnanswered
	}
	r.Message = clip("the payment is held, and it is not known whether it was taken: " + why)
	return r
}

// get reads the state of a payment with this key. If it cannot, it returns why.
func (g *Gateway) get(ctx context.Context, id string, key payment.GatewayKey) (found *squarePayment, why string) {
	a, why := g.getAnswer(ctx, id, key)
	switch {
	case why != "":
		return nil, why
	case !a.fresh() && a.payment.status != statusCompleted:
		return nil, "the answer comes from a cache (Age)" // COMPLETED never changes
	}
	return a.payment, ""
}

// getAnswer reads a payment with this key, which may come from a cache. If it cannot, it returns why, and the answer
// if there was one.
func (g *Gateway) getAnswer(ctx context.Context, id string, key payment.GatewayKey) (found answer, why string) {
	a, failed := g.call(ctx, http.MethodGet, paymentPath(id), nil, nil)
	switch {
	case failed != nil:
		return answer{}, failed.message
	case a.payment == nil || !a.own(key) || a.payment.id != id:
		if len(a.errors) > 0 && a.payment == nil {
			return a, "Square answered " + a.describe()
		}
		return a, a.foreign()
	case !a.success():
		return a, "the answer " + a.describe() + " contradicts itself"
	}
	return a, ""
}
