package stripegateway_test

import (
	"context"
	"testing"

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

// The contract over a socket with TLS.
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
		}
	})
}
