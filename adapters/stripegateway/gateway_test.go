package stripegateway_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/stripegateway"
	"paymentd/adapters/stripegateway/stripefake"
	"paymentd/core/payment"
)

func TestNew_WrongSetting_IsNamed(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*stripegateway.Options){
		"the secret key is missing":       func(o *stripegateway.Options) { o.SecretKey = nil },
		"the secret key must begin with":  func(o *stripegateway.Options) { o.SecretKey = func() string { return "pk_test_1" } },
		"must begin with sk_live_":        func(o *stripegateway.Options) { o.SecretKey = func() string { return "sk_test_" } },
		"the account must look like":      func(o *stripegateway.Options) { o.Account = "1N3T" },
		"key lifetime must be at most":    func(o *stripegateway.Options) { o.KeyLifetime = 24*time.Hour + 1 },
		"the return URL cannot be used":   func(o *stripegateway.Options) { o.ReturnURL = "http://shop.example/back" },
		"timeout, connections":            func(o *stripegateway.Options) { o.Timeout = -1 },
		"must be above zero":              func(o *stripegateway.Options) { o.LookupLag = -1 },
		"must begin with https://":        func(o *stripegateway.Options) { o.BaseURL = "http://api.stripe.com" },
		"http:// is for a loopback host":  func(o *stripegateway.Options) { o.BaseURL = "ftp://127.0.0.1" },
		"must look like https://api":      func(o *stripegateway.Options) { o.BaseURL = "api.stripe.com" },
		"the base URL must look like":     func(o *stripegateway.Options) { o.BaseURL = "https://:1" },
		"must end with the host and port": func(o *stripegateway.Options) { o.BaseURL = "https://user:secret@host" },
		"the base URL must end with":      func(o *stripegateway.Options) { o.BaseURL = "https://host/v1" },
	} {
		o := stripegateway.Options{SecretKey: func() string { return secretKey }}
		change(&o)
		_, err := stripegateway.New(o)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "secret@")
		require.NotContains(t, err.Error(), "pk_test_1")
	}
}

// The identity does not change with the secret key, but with account and mode.
func TestCapabilities_Identity(t *testing.T) {
	t.Parallel()
	for want, o := range map[payment.GatewayID]stripegateway.Options{
		"stripe:test":                        {SecretKey: func() string { return "sk_test_1" }},
		"stripe:live":                        {SecretKey: func() string { return "rk_live_2" }},
		"stripe:acct_1:test":                 {SecretKey: func() string { return "rk_test_3" }, Account: "acct_1", BaseURL: "https://127.0.0.1:1"},
		"stripe:http://127.0.0.1:12111:test": {SecretKey: func() string { return "sk_test_4" }, BaseURL: "http://127.0.0.1:12111/"},
		"card":                               {SecretKey: func() string { return "sk_test_5" }, ID: "card", Account: "acct_1"},
	} {
		g, err := stripegateway.New(o)
		require.NoError(t, err)
		require.Equal(t, want, g.Capabilities().Gateway)
		require.Equal(t, want == "stripe:live", g.Live())
		g.Close()
	}
}

func TestCapabilities_AreStripes(t *testing.T) {
	t.Parallel()
	can := newBench(t, stripefake.Options{}, func(o *stripegateway.Options) {
		o.ID, o.ReturnURL = "stripe", "https://shop.example/back"
	}).Capabilities()
	require.Equal(t, payment.Capabilities{
		Gateway: "stripe", Repeat: payment.RepeatFirstAnswer, KeyLifetime: 24 * time.Hour, MaxKeyBytes: 255,
		LooksUp: true, LookupLag: time.Hour, SavesDeclines: true, Cancels: true, NeedsMethod: true,
		ReturnURL:    "https://shop.example/back",
		Asynchronous: payment.OperationCharge | payment.OperationRefund,
		Operations:   payment.OperationCapture | payment.OperationVoid | payment.OperationRefund,
	}, can)
	require.True(t, can.KeyUsedUp())
}

func TestProbe(t *testing.T) {
	t.Parallel()
	good := newBench(t, stripefake.Options{})
	require.Equal(t, stripegateway.Probe{Arrived: true, Marked: true, Status: 404, Account: stripefake.Account}, good.Probe(t.Context()))

	named := newBench(t, stripefake.Options{}, func(o *stripegateway.Options) { o.Account = stripefake.Account })
	require.Empty(t, named.Probe(t.Context()).Problem)

	other := newBench(t, stripefake.Options{}, func(o *stripegateway.Options) { o.Account = "acct_other" })
	require.Contains(t, other.Probe(t.Context()).Problem, "the secret key is of the account "+stripefake.Account+", but acct_other is configured")

	wrongKey := newBench(t, stripefake.Options{SecretKey: "sk_test_other"})
	p := wrongKey.Probe(t.Context())
	require.True(t, p.Marked)
	require.Equal(t, http.StatusUnauthorized, p.Status)
	require.Contains(t, p.Problem, "Invalid API Key")

	proxy := newStub(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	p = proxy.Probe(t.Context())
	require.True(t, p.Arrived)
	require.False(t, p.Marked)
	require.Contains(t, p.Problem, "not written by Stripe itself")

	restricted := newBench(t, stripefake.Options{})
	restricted.fake.Inject(stripefake.Fault{Method: "GET"}, stripefake.Fault{Method: "GET", Status: 403, Body: `{"error":{"type":"invalid_request_error"}}`})
	require.Contains(t, restricted.Probe(t.Context()).Problem, "PaymentIntents cannot be listed")

	gone := httptest.NewServer(http.NotFoundHandler())
	g := openAt(t, gone)
	gone.Close()
	p = g.Probe(t.Context())
	require.False(t, p.Arrived)
	require.Contains(t, p.Problem, "connection refused")
	require.Equal(t, payment.ClassNotCharged, g.Charge(t.Context(), newCharge(t, visa)).Class)
}
