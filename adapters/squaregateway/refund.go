package squaregateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"paymentd/core/payment"
	"paymentd/internal/httpcall"
)

// maxRefunds is how many refunds a payment can have ("Refund Payments": 20 for each payment id).
const maxRefunds = 20

// refundRequest is the body of RefundPayment. It has nothing that differs between attempts, because Square refuses
// a key that comes again with another body.
type refundRequest struct {
	IdempotencyKey string `json:"idempotency_key"`
	PaymentID      string `json:"payment_id"`
	AmountMoney    money  `json:"amount_money"`
	Reason         string `json:"reason"`
}

// refund makes one attempt at a refund: RefundPayment.
func (g *Gateway) refund(ctx context.Context, c payment.Charge) payment.Result {
	amount, err := checkRefund(c)
	if err != nil {
		return payment.Result{Class: payment.ClassRejected, Message: clip(err.Error() + "; nothing was sent")}
	}
	ctx, cancel := httpcall.WithTimeout(ctx, g.timeout)
	defer cancel()
	a, failed := g.call(ctx, http.MethodPost, []string{"v2/refunds"}, nil, refundRequest{
		IdempotencyKey: string(c.Key), PaymentID: c.Of.TransactionID, AmountMoney: amount, Reason: reasonOf(c.Key, c.OrderID),
	})
	if failed != nil {
		return failed.result()
	}
	r := g.refunded(ctx, c, a)
	if r.Class.Retryable() && r.RetryAfter == 0 {
		r.RetryAfter = a.retryAfter()
	}
	return r
}

// checkRefund refuses a refund that Square cannot make.
func checkRefund(c payment.Charge) (money, error) {
	switch {
	case c.Key == "" || len(c.Key) > MaxKeyBytes || !printable(string(c.Key)):
		return money{}, fmt.Errorf("the gateway key must have 1 to %d characters", MaxKeyBytes)
	case len(reasonOf(c.Key, c.OrderID)) > maxReasonBytes:
		return money{}, errors.New("the order id is too long for the reason of a refund by Square")
	case !usableID(c.Of.TransactionID):
		return money{}, errors.New("a refund by Square needs the id of a payment of Square")
	}
	return moneyOf(c.Money)
}

// refunded classifies the answer to RefundPayment.
func (g *Gateway) refunded(ctx context.Context, c payment.Charge, a answer) payment.Result {
	switch {
	case a.refund != nil && a.refund.key == c.Key && a.refund.refunds() && !a.success():
		// It says that the refund may give money back, and that it failed.
		return g.inspectRefund(ctx, c, a.refund.id, "the answer "+a.describe()+" contradicts itself")
	case a.refund != nil && a.refund.key == c.Key:
		return a.refund.result(c, a.errors)
	case a.status/100 == 1 || len(a.errors) == 0 || a.refund != nil && a.refund.reason != "":
		return payment.Result{Class: payment.ClassUnknownUnanswered, Message: a.foreignRefund()}
	case !a.fresh(): // it is not about this attempt
		return payment.Result{Class: payment.ClassUnknownUnanswered, Message: clip("the answer " + a.describe() + " comes from a cache (Age)")}
	}
	r := refusedRefund(a)
	if r.Class.Unknown() {
		return r
	}
	return g.confirmRefusal(ctx, c, r, a.notFound())
}

// result returns the result of a refund with the charge's key. The errors are those beside it.
func (r *squareRefund) result(c payment.Charge, beside []apiError) payment.Result {
	result := payment.Result{Class: payment.ClassUnknownAnswered, Reference: r.id, Answered: true}
	switch {
	case r.refunds() && !r.is(c.Money, c.Of):
		result.Class = payment.ClassKeyReused
		result.Message = clip(fmt.Sprintf("Square has a refund of %d %s of the payment %s with this key", r.money.Amount, quote(r.money.Currency), quote(r.payment)))
	case r.status == statusCompleted: // see squarerefund.go for what the states mean
		return payment.Result{Class: payment.ClassApproved, TransactionID: r.id, Answered: true}
	case r.status == statusPending: // "awaiting approval"; also until the seller's balance covers it (Refunds API)
		result.Class, result.Message = payment.ClassPending, "Square has not decided the refund: PENDING"
	case !r.refunds(): // "rejected", or "an error occurred" (PaymentRefund.status)
		result = declineRefund(r.status, beside)
		result.Reference, result.Answered = r.id, true
	default: // a state that is newer than this program, or none
		result.Message = clip("Square has the refund with the status " + quote(r.status))
	}
	return result
}

// inspectRefund returns the result of a refund by its present state. why is the answer that left it open.
func (g *Gateway) inspectRefund(ctx context.Context, c payment.Charge, id, why string) payment.Result {
	r, failure := g.getRefund(ctx, id)
	if failure == "" && r.key == c.Key {
		return r.result(c, nil)
	}
	return payment.Result{
		Class: payment.ClassUnknownAnswered, Reference: id, Message: clip("it is not known whether the refund was made: " + why),
	}
}

// confirmRefusal looks for a refund with this key before a refusal counts, because nothing ties errors to a request,
// and a refund is not held first. The payment itself is read, and each of its refunds: lists lag, and a payment that
// is read by its id has its latest refund, also one that is PENDING (answers of Square's sandbox, recorded in public
// repositories: refund_ids, and updated_at equal to the refund's created_at).
//
// noPayment: the refusal is that Square does not have the payment. If Square cannot find it either when it is read,
// it has no refund.
func (g *Gateway) confirmRefusal(ctx context.Context, c payment.Charge, refused payment.Result, noPayment bool) payment.Result {
	unconfirmed := func(why string) payment.Result {
		return payment.Result{
			Class: payment.ClassUnknownAnswered, Answered: true,
			Message: clip("a refusal could not be confirmed (" + refused.Message + "): " + why),
		}
	}
	a, why := g.getAnswer(ctx, c.Of.TransactionID, c.Of.Key)
	switch {
	case noPayment && a.payment == nil && a.notFound():
		return refused
	case why != "":
		return unconfirmed(why)
	case !a.fresh():
		return unconfirmed("the payment comes from a cache (Age)")
	case len(a.payment.refunds) > maxRefunds || len(a.payment.refunds) == 0 && a.payment.refunded.Amount != 0:
		return unconfirmed("the refunds that the payment names are not complete")
	}
	for _, id := range a.payment.refunds {
		r, why := g.getRefund(ctx, id)
		switch {
		case why != "":
			return unconfirmed(why)
		case r.key == c.Key:
			return r.result(c, nil)
		}
	}
	return refused
}

// getRefund reads a refund. If it cannot, it returns why. The caller checks whether it is the right one.
func (g *Gateway) getRefund(ctx context.Context, id string) (found *squareRefund, why string) {
	if !usableRefundID(id) {
		return nil, "the id of the refund is not one of Square's"
	}
	a, failed := g.call(ctx, http.MethodGet, refundPath(id), nil, nil)
	switch {
	case failed != nil:
		return nil, failed.message
	case a.refund == nil && len(a.errors) > 0:
		return nil, "Square answered " + a.describe()
	case a.refund == nil || a.refund.id != id:
		return nil, a.foreignRefund()
	case !a.success():
		return nil, "the answer " + a.describe() + " contradicts itself"
	case !a.fresh():
		return nil, "the answer comes from a cache (Age)"
	}
	return a.refund, ""
}
