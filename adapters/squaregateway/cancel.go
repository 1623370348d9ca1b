package squaregateway

import (
	"context"
	"net/http"

	"paymentd/core/payment"
	"paymentd/internal/httpcall"
)

// cancelByKeyRequest is the body of CancelPaymentByIdempotencyKey.
type cancelByKeyRequest struct {
	IdempotencyKey string `json:"idempotency_key"`
}

// Cancel cancels a payment that is held or undecided; see ports.Gateway. If no payment is found, it
// cancels by key, which Square documents for a CreatePayment of unknown outcome: that succeeds also if
// there is nothing to cancel, and leaves nothing that would stop a later CreatePayment with the key.
// What it does to a completed payment is not documented, so that a payment that is found is cancelled
// by its id. If the money of a manual charge is held already, it is too late, as it is after a success: only a void
// releases such a hold. A capture and a void are looked up. A refund cannot be cancelled ("Once you process a refund, you cannot cancel it", Square's
// "Refunds FAQs"): it is looked up.
func (g *Gateway) Cancel(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	if ref.Operation.Kind != payment.KindCharge {
		return g.LookUp(ctx, ref)
	}
	ctx, cancel := httpcall.WithTimeout(ctx, g.timeout)
	defer cancel()
	found, why := g.find(ctx, ref)
	if why != "" {
		return payment.Lookup{Result: payment.FoundNoAnswer, Message: clip(why)}
	}
	before := lookup(ref, found)
	switch before.Result {
	case payment.FoundPending, payment.FoundProcessing:
		return g.cancelPayment(ctx, ref, before)
	case payment.FoundNothing:
		a, failed := g.call(ctx, http.MethodPost, []string{"v2/payments/cancel"}, nil,
			cancelByKeyRequest{IdempotencyKey: string(ref.Key)})
		if failed != nil {
			return payment.Lookup{Result: payment.FoundNoAnswer, Message: clip(failed.message)}
		}
		if !a.success() {
			return payment.Lookup{Result: payment.FoundNoAnswer, Message: clip("the cancellation was answered with " + a.describe())}
		}
		return g.LookUp(ctx, ref)
	case payment.FoundApproved, payment.FoundAuthorized, payment.FoundDeclined, payment.FoundVoided, payment.FoundReturned, payment.FoundNoAnswer:
	}
	return before
}

// cancelPayment cancels a payment by its id. With any answer, what Square has recorded decides.
func (g *Gateway) cancelPayment(ctx context.Context, ref payment.ChargeRef, before payment.Lookup) payment.Lookup {
	_, failed := g.call(ctx, http.MethodPost, paymentPath(before.Reference, "cancel"), nil, nil)
	if failed != nil {
		return payment.Lookup{Result: payment.FoundNoAnswer, Message: clip(failed.message), Reference: before.Reference}
	}
	ref.Reference = before.Reference
	return g.LookUp(ctx, ref)
}
