package squaregateway_test

import (
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/squaregateway"
	"paymentd/adapters/squaregateway/squarefake"
	"paymentd/core/payment"
	"paymentd/internal/leaktest"
)

// TestMain runs the second process of the crash test if its variable is set.
func TestMain(m *testing.M) {
	if path := os.Getenv(serveLedgerVariable); path != "" {
		fmt.Fprintln(os.Stderr, serveUntilKilled(path))
		os.Exit(1)
	}
	// net/http keeps a connection that it has closed for half a second.
	leaktest.Main(m, "net/http.(*conn).closeWriteAndWait")
}

// longTimeout is the timeout of a gateway that is expected to answer, or to break the connection. Only
// a failing test waits for it.
const longTimeout = 10 * time.Second

// Sources of the sandbox.
const (
	cardOK       payment.PaymentMethod = "cnon:card-nonce-ok"
	cardDeclined payment.PaymentMethod = "cnon:card-nonce-declined"
	cardUsed     payment.PaymentMethod = "cnon:card-nonce-already-used"
	bankOK       payment.PaymentMethod = "bnon:bank-nonce-ok"
)

// bench is a gateway and the fake that it calls.
type bench struct {
	*squaregateway.Gateway

	fake *squarefake.Server
	t    testing.TB
}

// newBench starts a fake behind TLS, and a gateway for it with the fake's clock.
func newBench(t testing.TB, o squarefake.Options, change ...func(*squaregateway.Options)) bench {
	t.Helper()
	fake, err := squarefake.Open(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, fake.Close()) })
	return bench{newGateway(t, fake, fake.Now, change...), fake, t}
}

// newGateway starts a server behind TLS, and returns a gateway for it.
func newGateway(t testing.TB, h http.Handler, now func() time.Time, change ...func(*squaregateway.Options)) *squaregateway.Gateway {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // connections are closed on purpose
	server.StartTLS()
	t.Cleanup(server.Close)
	authorities := x509.NewCertPool()
	authorities.AddCert(server.Certificate())
	o := squaregateway.Options{
		Environment: squaregateway.Sandbox, LocationID: squarefake.DefaultLocation, BaseURL: server.URL, RootCAs: authorities,
		Token: func() string { return squarefake.DefaultToken }, Timeout: longTimeout, Now: now, LookupLag: 5 * time.Second,
	}
	for _, c := range change {
		c(&o)
	}
	g, err := squaregateway.New(o)
	require.NoError(t, err)
	t.Cleanup(g.Close)
	return g
}

func money(t testing.TB, amount, code string) payment.Money {
	t.Helper()
	c, err := payment.ParseCurrency(code)
	require.NoError(t, err)
	m, err := payment.ParseMoney(amount, c)
	require.NoError(t, err)
	return m
}

// key has the form and the length of the service's own keys.
const key payment.GatewayKey = "0193a1f2-7c1e-7a55-9d43-2f6f0f9b1c01"

func charge(t testing.TB, method payment.PaymentMethod) payment.Charge {
	t.Helper()
	return payment.Charge{Key: key, OrderID: "order-1", Money: money(t, "100", "USD"), Method: method}
}

// ref returns the reference of [charge] before its payment's id is known.
func (b bench) ref() payment.ChargeRef {
	return payment.ChargeRef{Key: key, OrderID: "order-1", Money: money(b.t, "100", "USD"), Sent: b.fake.Now().Add(-time.Hour)}
}

// charge makes an attempt and requires its class.
func (b bench) charge(method payment.PaymentMethod, want payment.Class) payment.Result {
	b.t.Helper()
	r := b.Charge(b.t.Context(), charge(b.t, method))
	require.Equal(b.t, want, r.Class, r.Message)
	require.Equal(b.t, r, r.Sanitized())
	require.LessOrEqual(b.t, len(r.Message), payment.MaxMessageBytes)
	return r
}

// lookUp looks up and requires the result.
func (b bench) lookUp(ref payment.ChargeRef, want payment.LookupResult) payment.Lookup {
	b.t.Helper()
	l := b.LookUp(b.t.Context(), ref)
	require.Equal(b.t, want, l.Result, l.Message)
	require.Equal(b.t, l, l.Sanitized())
	return l
}

// paths returns the calls that arrived, as method and path.
func (b bench) paths() (paths []string) {
	for _, c := range b.fake.Calls() {
		paths = append(paths, c.Method+" "+c.Path)
	}
	return paths
}
