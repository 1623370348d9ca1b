package httpgateway_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/httpgateway"
	"paymentd/core/payment"
)

// Each request has the token of that moment and the fixed headers, and none replaces a header of the
// protocol.
func TestGateway_BearerAndHeaders_AreSent(t *testing.T) {
	t.Parallel()
	var token atomic.Pointer[string]
	token.Store(new("first-token"))
	seen := make(chan http.Header, 3)
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header
		_, _ = w.Write([]byte(approved))
	})
	g := newGateway(t, base, longTimeout,
		httpgateway.WithBearer(func() string { return *token.Load() }),
		httpgateway.WithHeaders(map[string]string{"x-merchant": "42", "Traceparent": "fixed"}),
		httpgateway.WithHeader(func(_ context.Context, h http.Header) {
			h.Set("Traceparent", "of the call")
			h.Set("Authorization", "other")
		}))
	require.Equal(t, payment.ClassApproved, g.Charge(t.Context(), newCharge(t)).Class)
	got := <-seen
	require.Equal(t, []string{"Bearer first-token"}, got["Authorization"])
	require.Equal(t, []string{"42"}, got["X-Merchant"])
	require.Equal(t, []string{"of the call"}, got["Traceparent"])
	require.Equal(t, []string{"key-1"}, got["Idempotency-Key"])

	token.Store(new("second-token"))
	require.Equal(t, payment.FoundApproved, g.LookUp(t.Context(), payment.ChargeRef{Key: "key-1"}).Result)
	require.Equal(t, []string{"Bearer second-token"}, (<-seen)["Authorization"])
}

// A gateway that repeats a credential in its answer does not bring it into messages or codes, which are logged,
// stored and shown to clients.
func TestGateway_RepeatsCredentials_TheyAreReplaced(t *testing.T) {
	t.Parallel()
	const token, key = "bearer-0123456789", "merchant-0123456789"
	base := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusPaymentRequired)
		_, _ = w.Write([]byte(`{"status":"declined","code":"` + token + `","message":"not for ` + key + ` with ` + token + `"}`))
	})
	g := newGateway(t, base, longTimeout,
		httpgateway.WithBearer(func() string { return token }), httpgateway.WithHeaders(map[string]string{"X-Api-Key": key}))
	r := g.Charge(t.Context(), newCharge(t))
	require.Equal(t, payment.ClassDeclined, r.Class)
	require.Equal(t, "[secret]", r.Code)
	require.Equal(t, "not for [secret] with [secret]", r.Message)
}

func TestCheckHeader(t *testing.T) {
	t.Parallel()
	require.NoError(t, httpgateway.CheckHeader("X-Merchant", "42"))
	for _, name := range []string{"", "X Merchant", "é", "idempotency-key", "AUTHORIZATION", "Host", "Transfer-Encoding", "Content-Type"} {
		require.Error(t, httpgateway.CheckHeader(name, "value"), name)
		_, err := httpgateway.New("http://gateway.example", time.Second, httpgateway.WithHeaders(map[string]string{name: "value"}))
		require.Error(t, err, name)
	}
	err := httpgateway.CheckHeader("X-Merchant", "secret\r\n")
	require.ErrorContains(t, err, "X-Merchant")
	require.NotContains(t, err.Error(), "secret")
}

// A gateway that asks for a certificate gets the one of that moment, at each new connection. A gateway
// without a certificate that it accepts refuses the handshake.
func TestGateway_ClientCertificate_IsPresented(t *testing.T) {
	t.Parallel()
	first, second := selfSigned(t, "first"), selfSigned(t, "second")
	names := make(chan string, 2)
	server := httptest.NewUnstartedServer(marked(func(w http.ResponseWriter, r *http.Request) {
		names <- r.TLS.PeerCertificates[0].Subject.CommonName
		w.Header().Set("Connection", "close")
		_, _ = w.Write([]byte(approved))
	}))
	clients := x509.NewCertPool()
	clients.AddCert(first.Leaf)
	clients.AddCert(second.Leaf)
	server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	authorities := x509.NewCertPool()
	authorities.AddCert(server.Certificate())

	var current atomic.Pointer[tls.Certificate]
	current.Store(&first)
	g := newGateway(t, server.URL, longTimeout, httpgateway.WithRootCAs(authorities), httpgateway.WithClientCertificate(current.Load))
	require.Equal(t, payment.ClassApproved, g.Charge(t.Context(), newCharge(t)).Class)
	require.Equal(t, "first", <-names)
	current.Store(&second)
	require.Equal(t, payment.ClassApproved, g.Charge(t.Context(), newCharge(t)).Class)
	require.Equal(t, "second", <-names)

	for name, options := range map[string][]httpgateway.Option{
		"no certificate":      {httpgateway.WithRootCAs(authorities)},
		"a wrong certificate": {httpgateway.WithRootCAs(authorities), httpgateway.WithClientCertificate(func() *tls.Certificate { return new(selfSigned(t, "wrong")) })},
		"no authority":        {httpgateway.WithClientCertificate(current.Load)},
	} {
		r := newGateway(t, server.URL, longTimeout, options...).Charge(t.Context(), newCharge(t))
		require.NotEqual(t, payment.ClassApproved, r.Class, name)
		require.False(t, r.Answered, name)
	}
	require.Empty(t, names)
}

// A server that only has TLS 1.1 gets no request.
func TestGateway_TLS11_IsNotCharged(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(marked(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(approved)) }))
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	server.StartTLS()
	t.Cleanup(server.Close)
	authorities := x509.NewCertPool()
	authorities.AddCert(server.Certificate())
	r := newGateway(t, server.URL, longTimeout, httpgateway.WithRootCAs(authorities)).Charge(t.Context(), newCharge(t))
	require.Equal(t, payment.ClassNotCharged, r.Class, r)
}

// selfSigned returns a certificate for clients.
func selfSigned(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}
