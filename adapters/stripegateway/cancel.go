package stripegateway

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"

	"github.com/stripe/stripe-go/v85"

	"paymentd/core/payment"
	"paymentd/internal/httpcall"
)

var (
	errNoKey    = errors.New("the charge has no gateway key")
	errBadKey   = errors.New("the gateway key is not 1 to 255 printable ASCII characters")
	errNoMethod = errors.New("Stripe needs a payment method, such as pm_1N3T5uLkdIwHu7ix; send payment_method") //nolint:staticcheck // a name
)

// withTimeout bounds a call by the timeout, unless its deadline is earlier.
func (g *Gateway) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return httpcall.WithTimeout(ctx, g.options.Timeout)
}

// closeIntent cancels the PaymentIntent of a decline or a rejection, in what is left of the attempt's time,
// and returns what stands then. Unless the intent is known to be cancelled, the charge is pending.
func (g *Gateway) closeIntent(ctx context.Context, r payment.Result, id string, c payment.Charge) payment.Result {
	i, err := g.cancelIntent(ctx, id)
	if err == nil {
		err = i.check(c.Key, c.Money, g.live)
	}
	switch {
	case err != nil:
		return payment.Result{
			Class: payment.ClassPending, Reference: id, Answered: true, RetryAfter: r.RetryAfter,
			Message: clip(r.Message + "; it is not known whether the PaymentIntent " + id + " is cancelled: " + err.Error()),
		}
	case i.status == stripe.PaymentIntentStatusCanceled:
		return r
	}
	after := i.result() // it was confirmed a second time, by another program
	if after.Class == payment.ClassDeclined {
		after = payment.Result{Class: payment.ClassPending, Reference: id, Message: after.Message}
	}
	after.Answered = true
	return after
}

// cancelIntent cancels a PaymentIntent and returns it. The error means that its state is not known. If it
// cannot be cancelled, because it succeeded or was cancelled before, it is returned as it is
// (docs.stripe.com/api/payment_intents/cancel).
func (g *Gateway) cancelIntent(ctx context.Context, id string) (intent, error) {
	if !validIntentID(id) { // it is a part of the path
		return intent{}, errNoIntent
	}
	// A key of its own for each call, because Stripe saves a 500 under a key and refuses one that was used
	// for the charge. A cancellation that arrives twice changes nothing.
	key := "cancel-" + rand.Text()
	a, lost := g.post(ctx, intentsPath+"/"+id+"/cancel", key, url.Values{"cancellation_reason": {"abandoned"}})
	if lost == nil && a.echoes(key) && a.fresh() && a.Status == http.StatusOK {
		if i, err := intentOf(a.body); err == nil && i.id == id {
			return i, nil
		}
	}
	return g.intent(ctx, id)
}

// Cancel cancels the PaymentIntent of a charge, and returns its state then; see ports.Gateway. If the money is held
// already, it is too late, as it is after a success: only a void releases a hold. Any other operation is only looked up:
// a refund can be cancelled by a person at most.
func (g *Gateway) Cancel(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	if !ref.Operation.IsCharge() {
		return g.LookUp(ctx, ref)
	}
	ctx, cancel := g.withTimeout(ctx)
	defer cancel()
	i, none := g.find(ctx, ref)
	if none != nil {
		return *none
	}
	switch i.status {
	case stripe.PaymentIntentStatusSucceeded, stripe.PaymentIntentStatusCanceled, stripe.PaymentIntentStatusRequiresCapture:
		return i.found()
	default:
	}
	after, err := g.cancelIntent(ctx, i.id)
	if err != nil {
		return noAnswer(err)
	}
	return after.found()
}

func noAnswer(err error) payment.Lookup {
	return payment.Lookup{Result: payment.FoundNoAnswer, Message: clip(err.Error())}
}
