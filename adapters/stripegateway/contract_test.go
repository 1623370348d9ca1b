package stripegateway_test

import (
	"context"
	"testing"

	"github.com/stripe/stripe-go/v85"

	"paymentd/adapters/stripegateway"
	"paymentd/adapters/stripegateway/stripefake"
	"paymentd/core/payment"
	"paymentd/ports"
	"paymentd/ports/portstest"
)

var (
	_ ports.Gateway = (*stripegateway.Gateway)(nil)
	_ ports.Ledger  = (*stripegateway.Gateway)(nil)
)

// byAmount chooses a test payment method by the amount, as the contract chooses the outcome.
type byAmount struct {
	*bench

	methods map[payment.Money]payment.PaymentMethod
}

func (g byAmount) Charge(ctx context.Context, c payment.Charge) payment.Result {
	if c.Of.TransactionID == "unknown" {
		c.Of.TransactionID = "pi_unknown" // the adapter sends no other ids
	}
	if method, chosen := g.methods[c.Money]; chosen && c.Method == visa {
		c.Method = method
	}
	return g.bench.Charge(ctx, c)
}

// complete decides a pending charge: its customer authenticates or fails to.
func (b *bench) complete(key payment.GatewayKey, approve bool) {
	for _, id := range b.fake.Intents(string(key)) {
		b.fake.Authenticate(id, approve)
	}
}

// refundOf returns the refund, but of a new charge of another payment method.
func (b *bench) refundOf(t testing.TB, method payment.PaymentMethod, c payment.Charge) payment.Charge {
	t.Helper()
	charge := newCharge(t, method)
	charge.OrderID, charge.Money = c.OrderID, c.Money
	c.Of.Key, c.Of.TransactionID = charge.Key, b.charge(t, charge, payment.ClassApproved).TransactionID
	return c
}

// setRefund sets the status of the refund with a key.
func (b *bench) setRefund(key payment.GatewayKey, status stripe.RefundStatus) {
	for _, id := range b.fake.Refunds(string(key)) {
		b.fake.SetRefund(id, string(status))
	}
}

// refunds counts the refunds with a key that have not failed.
func (b *bench) refunds(key payment.GatewayKey) (n int) {
	for _, id := range b.fake.Refunds(string(key)) {
		switch stripe.RefundStatus(b.fake.RefundStatus(id)) {
		case stripe.RefundStatusFailed, stripe.RefundStatusCanceled:
		default:
			n++
		}
	}
	return n
}

// The contract over a socket with TLS. A refund that Stripe refuses is an error without a Refund, and a capture that is
// declined leaves nothing at the PaymentIntent, so that no lookup finds a decline of them.
func TestGateway_Contract(t *testing.T) {
	t.Parallel()
	portstest.Gateway(t, func(t testing.TB) portstest.GatewayUnderTest {
		t.Helper()
		b := newBench(t, stripefake.Options{})
		approved, refused, slow := money(t, "100", "USD"), money(t, "94.02", "USD"), money(t, "95.08", "USD")
		return portstest.GatewayUnderTest{
			Gateway: byAmount{b, map[payment.Money]payment.PaymentMethod{
				refused: "pm_card_visa_chargeDeclinedInsufficientFunds", slow: "pm_card_slow",
			}},
			Approved: approved, Declined: refused, Slow: slow, Method: visa, OtherMethod: "pm_card_mastercard",
			Pending: func(c payment.Charge) payment.Charge {
				c.Method, c.ReturnURL = "pm_card_authenticationRequired", "https://shop.example/back"
				return c
			},
			Complete: b.complete,
			Charges:  func(key payment.GatewayKey) int { return b.fake.Charges(string(key)) },
			PendingRefund: func(c payment.Charge) payment.Charge {
				return b.refundOf(t, pendingRefund, c)
			},
			CompleteRefund: func(key payment.GatewayKey, approve bool) {
				b.setRefund(key, map[bool]stripe.RefundStatus{true: stripe.RefundStatusSucceeded, false: stripe.RefundStatusFailed}[approve])
			},
			ReturnRefund: func(key payment.GatewayKey) { b.setRefund(key, stripe.RefundStatusFailed) },
			Refunds:      b.refunds,
			Holds:        true,
			ExpireHold: func(key payment.GatewayKey) {
				for _, id := range b.fake.Intents(string(key)) {
					b.fake.Expire(id)
				}
			},
			Captures: func(key payment.GatewayKey) int { return b.fake.Captures(string(key)) },
		}
	})
}
