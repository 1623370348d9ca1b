package fake_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core/payment"
	"paymentd/ports"
	"paymentd/ports/portstest"
)

func TestPayments_Contract(t *testing.T) {
	t.Parallel()
	portstest.Payments(t, func(testing.TB) ports.Payments { return fake.NewPayments() })
}

// Without faults, a repository behind a wire keeps the contract.
func TestWire_PaymentsContract(t *testing.T) {
	t.Parallel()
	portstest.Payments(t, func(testing.TB) ports.Payments {
		return new(fake.Wire).Payments(fake.NewPayments())
	})
}

func TestPayments_SharedContract(t *testing.T) {
	t.Parallel()
	portstest.SharedPayments(t, func(testing.TB) (a, b ports.Payments) {
		s := fake.NewPayments()
		return s, s
	})
}

func TestPayments_SummariesContract(t *testing.T) {
	t.Parallel()
	portstest.Outstanding(t, func(testing.TB) portstest.OutstandingPayments { return fake.NewPayments() })
	portstest.GatewayAddresses(t, func(testing.TB) portstest.AddressedPayments { return fake.NewPayments() })
	portstest.Waiting(t, func(testing.TB) portstest.WaitingPayments { return fake.NewPayments() })
	portstest.Operators(t, func(testing.TB) portstest.OperatedPayments { return fake.NewPayments() })
	portstest.Summaries(t, func(testing.TB) portstest.SummarizedPayments { return fake.NewPayments() })
}

func TestSessions_Contract(t *testing.T) {
	t.Parallel()
	portstest.Sessions(t, func(testing.TB) ports.Sessions { return fake.NewSessions() })
}

func TestAdminHistory_Contract(t *testing.T) {
	t.Parallel()
	portstest.AdminHistory(t, func(testing.TB) portstest.Administered {
		s, keys := fake.NewPayments(), fake.NewKeys()
		keys.Acts = s.Acts
		return portstest.Administered{Keys: keys, Endpoints: s.Endpoints(), Acts: s.Acts}
	})
}

func TestKeys_Contract(t *testing.T) {
	t.Parallel()
	portstest.Keys(t, func(testing.TB) ports.Keys { return fake.NewKeys() })
}

func TestGateway_Contract(t *testing.T) {
	t.Parallel()
	portstest.Gateway(t, newGateway)
}

func TestWire_GatewayContract(t *testing.T) {
	t.Parallel()
	portstest.Gateway(t, func(t testing.TB) portstest.GatewayUnderTest {
		t.Helper()
		gateway := newGateway(t)
		gateway.Gateway = new(fake.Wire).Gateway(gateway.Gateway)
		return gateway
	})
}

// newGateway returns a gateway with an amount for each result.
func newGateway(t testing.TB) portstest.GatewayUnderTest {
	t.Helper()
	declined, slow, pending := usd(t, "402"), usd(t, "30"), usd(t, "202")
	gateway := fake.NewGateway()
	gateway.OnCharge(func(c payment.Charge) fake.Step {
		switch c.Money {
		case declined:
			return fake.Decline("card_declined")
		case pending:
			return fake.Redirect("https://bank.example/3ds")
		case slow:
			return fake.Slow(30*time.Second, fake.Approve())
		}
		return fake.Approve()
	})
	complete := func(key payment.GatewayKey, approve bool) {
		step := fake.Decline("card_declined")
		if approve {
			step = fake.Approve()
		}
		require.True(t, gateway.Complete(key, step))
	}
	return portstest.GatewayUnderTest{
		Gateway: gateway, Approved: usd(t, "100"), Declined: declined, Slow: slow,
		Charges: gateway.ChargesWith,
		Method:  "pm_1", OtherMethod: "pm_2",
		Pending: func(c payment.Charge) payment.Charge {
			c.Money = pending
			return c
		},
		Complete:       complete,
		DeclinedRefund: scripted(gateway, fake.Decline("card_declined")),
		PendingRefund:  scripted(gateway, fake.Pending()),
		CompleteRefund: complete,
		ReturnRefund:   func(key payment.GatewayKey) { require.True(t, gateway.Return(key)) },
		Refunds:        gateway.RefundsWith,

		Holds:             true,
		ExpireHold:        func(key payment.GatewayKey) { require.True(t, gateway.ExpireHold(key)) },
		DeclinedCapture:   scripted(gateway, fake.Decline("card_declined")),
		PendingCapture:    scripted(gateway, fake.Pending()),
		PendingVoid:       scripted(gateway, fake.Pending()),
		CompleteOperation: func(c payment.Charge, approve bool) { complete(c.Key, approve) },
		Captures:          gateway.CapturesWith,
	}
}

// scripted lets the step decide the next attempt of an operation's order.
func scripted(gateway *fake.Gateway, step fake.Step) func(payment.Charge) payment.Charge {
	return func(c payment.Charge) payment.Charge {
		gateway.Script(c.OrderID, step)
		return c
	}
}

func usd(t testing.TB, amount string) payment.Money {
	t.Helper()
	currency, err := payment.ParseCurrency("USD")
	require.NoError(t, err)
	money, err := payment.ParseMoney(amount, currency)
	require.NoError(t, err)
	return money
}

func TestOutbox_Contract(t *testing.T) {
	t.Parallel()
	portstest.Outbox(t, func(testing.TB) portstest.Events {
		s := fake.NewPayments()
		return portstest.Events{Payments: s, Endpoints: s.Endpoints(), Outbox: s.Outbox()}
	})
}
