package stripegateway_test

import (
	"crypto/rand"
	"crypto/x509"
	"io"
	"log"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/stripegateway"
	"paymentd/adapters/stripegateway/stripefake"
	"paymentd/core/payment"
)

const (
	secretKey   = "sk_test_4eC39HqLyjWDarjtT1zdp7dc"
	longTimeout = 10 * time.Second

	visa     = payment.PaymentMethod("pm_card_visa")
	declined = payment.PaymentMethod("pm_card_visa_chargeDeclined")
)

// bench is the adapter with a fake of Stripe behind TLS.
type bench struct {
	*stripegateway.Gateway

	fake   *stripefake.Fake
	server *httptest.Server
}

// newBench starts a fake, and opens the adapter for it.
func newBench(t testing.TB, fake stripefake.Options, options ...func(*stripegateway.Options)) *bench {
	t.Helper()
	f, err := stripefake.Open("", fake)
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(f.Handler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // the contract abandons handshakes
	server.StartTLS()
	t.Cleanup(server.Close)
	b := &bench{fake: f, server: server}
	b.Gateway = b.open(t, options...)
	return b
}

func (b *bench) open(t testing.TB, options ...func(*stripegateway.Options)) *stripegateway.Gateway {
	t.Helper()
	return openAt(t, b.server, options...)
}

func openAt(t testing.TB, server *httptest.Server, options ...func(*stripegateway.Options)) *stripegateway.Gateway {
	t.Helper()
	o := stripegateway.Options{
		SecretKey: func() string { return secretKey }, BaseURL: server.URL, Timeout: longTimeout,
	}
	if server.TLS != nil {
		o.RootCAs = x509.NewCertPool()
		o.RootCAs.AddCert(server.Certificate())
	}
	for _, change := range options {
		change(&o)
	}
	g, err := stripegateway.New(o)
	require.NoError(t, err)
	t.Cleanup(g.Close)
	return g
}

func money(t testing.TB, amount, currency string) payment.Money {
	t.Helper()
	c, err := payment.ParseRecordedCurrency(currency)
	require.NoError(t, err)
	m, err := payment.ParseMoney(amount, c)
	require.NoError(t, err)
	return m
}

// newCharge returns a charge with a fresh key.
func newCharge(t testing.TB, method payment.PaymentMethod) payment.Charge {
	t.Helper()
	return payment.Charge{
		Key: payment.GatewayKey("key-" + rand.Text()), OrderID: payment.OrderID("order-" + rand.Text()),
		Money: money(t, "12.50", "USD"), Method: method, ReturnURL: "https://shop.example/back",
	}
}

// ref returns what the service knows of a charge after a result.
func ref(c payment.Charge, r payment.Result) payment.ChargeRef {
	return payment.ChargeRef{Key: c.Key, OrderID: c.OrderID, Money: c.Money, Reference: r.Reference}
}

// charge makes an attempt, and requires the class.
func (b *bench) charge(t testing.TB, c payment.Charge, want payment.Class) payment.Result {
	t.Helper()
	r := b.Charge(t.Context(), c)
	require.Equal(t, want, r.Class, r.Message)
	require.Equal(t, r, r.Sanitized())
	require.LessOrEqual(t, len(r.Message), payment.MaxMessageBytes)
	require.NotContains(t, r.Message, secretKey)
	return r
}

// lookUp looks a charge up, and requires the result.
func (b *bench) lookUp(t testing.TB, ref payment.ChargeRef, want payment.LookupResult) payment.Lookup {
	t.Helper()
	l := b.LookUp(t.Context(), ref)
	require.Equal(t, want, l.Result, l.Message)
	require.LessOrEqual(t, len(l.Message), payment.MaxMessageBytes)
	return l
}

// status returns the status of the only PaymentIntent of a charge; empty if there is none.
func (b *bench) status(t testing.TB, c payment.Charge) string {
	t.Helper()
	ids := b.fake.Intents(string(c.Key))
	if len(ids) == 0 {
		return ""
	}
	require.Len(t, ids, 1)
	return b.fake.Status(ids[0])
}
