package squaregateway_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/squaregateway"
	"paymentd/adapters/squaregateway/squarefake"
	"paymentd/core/payment"
)

func validOptions() squaregateway.Options {
	return squaregateway.Options{
		Environment: squaregateway.Production, LocationID: "L88917AVBK2S5", Timeout: time.Second, Token: func() string { return "t" },
	}
}

func TestNew_Options_AreChecked(t *testing.T) {
	t.Parallel()
	g, err := squaregateway.New(validOptions())
	require.NoError(t, err)
	defer g.Close()
	require.Equal(t, payment.GatewayID("square:L88917AVBK2S5:production"), g.Capabilities().Gateway)
	require.Equal(t, squaregateway.DefaultLookupLag, g.Capabilities().LookupLag)

	for want, change := range map[string]func(*squaregateway.Options){
		"sandbox or production":    func(o *squaregateway.Options) { o.Environment = "test" },
		"location id":              func(o *squaregateway.Options) { o.LocationID = "" },
		"must be a location id":    func(o *squaregateway.Options) { o.LocationID = "a/b" },
		"such as L88917AVBK2S5":    func(o *squaregateway.Options) { o.LocationID = "main" },
		"access token":             func(o *squaregateway.Options) { o.Token = nil },
		"timeout":                  func(o *squaregateway.Options) { o.Timeout = 0 },
		"connections":              func(o *squaregateway.Options) { o.Connections = -1 },
		"must be a date":           func(o *squaregateway.Options) { o.Version = "v2" },
		"at most 15m0s":            func(o *squaregateway.Options) { o.KeyLifetime = squaregateway.HoldFor + 1 },
		"key lifetime":             func(o *squaregateway.Options) { o.KeyLifetime = -1 },
		"lookup lag":               func(o *squaregateway.Options) { o.LookupLag = -1 },
		"https://host:port":        func(o *squaregateway.Options) { o.BaseURL = "ftp://x" },
		"no user name":             func(o *squaregateway.Options) { o.BaseURL = "https://a:b@x" },
		"must begin with https://": func(o *squaregateway.Options) { o.BaseURL = "http://gateway.example" },
		"address for sandbox":      func(o *squaregateway.Options) { o.BaseURL = "https://Connect.SquareupSandbox.com" },
		"address for production": func(o *squaregateway.Options) {
			o.Environment, o.BaseURL = squaregateway.Sandbox, "https://connect.squareup.com/"
		},
	} {
		o := validOptions()
		change(&o)
		_, err := squaregateway.New(o)
		require.ErrorContains(t, err, want)
	}
	o := validOptions()
	o.BaseURL, o.KeyLifetime, o.Version = "http://127.0.0.1:1/square", time.Minute, "2026-01-22"
	g, err = squaregateway.New(o)
	require.NoError(t, err)
	defer g.Close()
	require.Equal(t, time.Minute, g.Capabilities().KeyLifetime)
}

func TestProbe_Location_IsChecked(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{Currency: "EUR"})
	require.Equal(t, squaregateway.Probe{Arrived: true, Own: true, Status: 200, Ready: true, Currency: "EUR"}, b.Probe(t.Context()))
	for _, c := range b.fake.Calls() {
		require.Equal(t, http.MethodGet, c.Method, "a probe charges nothing")
	}
	location := func(text string) squarefake.Fault {
		return squarefake.Fault{Call: "location", Status: 200, Body: `{"location":{"id":"LFAKE",` + text + `}}`}
	}
	for want, fault := range map[string]squarefake.Fault{
		"not Square's answer": {Call: "location", Status: 200, Body: "<html></html>"},
		"UNAUTHORIZED":        {Call: "location", Skip: true, Status: 401, Errors: []squarefake.Error{{Category: "AUTHENTICATION_ERROR", Code: "UNAUTHORIZED"}}},
		"not active":          location(`"status":"INACTIVE"`),
		"process cards":       location(`"status":"ACTIVE","capabilities":["AUTOMATIC_TRANSFERS"]`),
		"list of payments":    {Call: "list", Skip: true, Status: 403, Errors: []squarefake.Error{{Category: "AUTHENTICATION_ERROR", Code: "INSUFFICIENT_SCOPES"}}},
	} {
		b.fake.Inject(fault)
		p := b.Probe(t.Context())
		require.False(t, p.Ready)
		require.True(t, p.Arrived)
		require.Equal(t, want != "not Square's answer", p.Own, want)
		require.Contains(t, p.Message, want)
	}
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	o := validOptions()
	o.BaseURL = server.URL
	g, err := squaregateway.New(o)
	require.NoError(t, err)
	p := g.Probe(t.Context())
	require.False(t, p.Arrived)
	require.Contains(t, p.Message, "connection refused")
	require.Equal(t, payment.ClassNotCharged, g.Charge(t.Context(), charge(t, cardOK)).Class)
}
