package httpgateway

import (
	"context"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// brokenConn is a connection whose writes fail once broken is set, like a socket that the kernel
// knows to be dead.
type brokenConn struct {
	net.Conn

	broken *atomic.Bool
}

func (c brokenConn) Write(p []byte) (int, error) {
	if c.broken.Load() {
		return 0, syscall.EPIPE
	}
	return c.Conn.Write(p)
}

// A kept connection that accepts no byte proves that nothing was sent. The charge uses another
// connection, and if there is none, it was not charged.
func TestCharge_KeptConnectionAcceptsNothing_UsesAnother(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		secure    bool
		reachable bool
	}{
		{"http, another connection", false, true},
		{"http, no other connection", false, false},
		{"https, another connection", true, true},
		{"https, no other connection", true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var requests, dials atomic.Int64
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				w.Header().Set("Idempotency-Key", r.Header.Get("Idempotency-Key"))
				_, _ = io.WriteString(w, `{"transaction_id":"txn-1","status":"succeeded"}`)
			}))
			start := server.Start
			if tt.secure {
				start = server.StartTLS
			}
			start()
			defer server.Close()
			var broken atomic.Bool
			dial := func(context.Context) (net.Conn, error) {
				n := dials.Add(1)
				if n > 1 && !tt.reachable {
					return nil, syscall.ECONNREFUSED
				}
				conn, err := net.Dial("tcp", server.Listener.Addr().String())
				if err != nil || n > 1 {
					return conn, err
				}
				return brokenConn{conn, &broken}, nil
			}
			g := dialing(t, server, dial)
			defer g.Close()
			usd, err := payment.ParseCurrency("USD")
			require.NoError(t, err)
			money, err := payment.ParseMoney("1", usd)
			require.NoError(t, err)
			c := payment.Charge{Key: "key-1", OrderID: "order-1", Money: money}

			require.Equal(t, payment.ClassApproved, g.Charge(t.Context(), c).Class)
			broken.Store(true)
			r := g.Charge(t.Context(), c)
			require.EqualValues(t, 2, dials.Load())
			if tt.reachable {
				require.Equal(t, payment.ClassApproved, r.Class, r.Message)
				require.EqualValues(t, 2, requests.Load())
			} else {
				require.Equal(t, payment.ClassNotCharged, r.Class, r.Message)
				require.EqualValues(t, 1, requests.Load())
			}
		})
	}
}

// dialing returns a gateway for the server that uses dial.
func dialing(t *testing.T, server *httptest.Server, dial func(context.Context) (net.Conn, error)) *Gateway {
	t.Helper()
	var opts []Option
	if server.TLS != nil {
		authorities := x509.NewCertPool()
		authorities.AddCert(server.Certificate())
		opts = append(opts, WithRootCAs(authorities))
	}
	g, err := New(server.URL, 10*time.Second, opts...)
	require.NoError(t, err)
	g.transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		return &countedConn{Conn: conn}, nil
	}
	return g
}

// Over HTTP/1.1 a request that has a connection is not sent yet. Over HTTP/2 this is not known,
// because requests share the connection, and RoundTrip does not wait for writes.
func TestWriteTracker_Connected_DependsOnProtocol(t *testing.T) {
	t.Parallel()
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewUnstartedServer(http.NotFoundHandler())
			server.EnableHTTP2 = http2
			server.StartTLS()
			defer server.Close()
			authorities := x509.NewCertPool()
			authorities.AddCert(server.Certificate())
			transport := newTransport(10*time.Second, options{connections: 1, rootCAs: authorities})
			defer transport.CloseIdleConnections()

			var written writeTracker
			var connected bool
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
				GotConn: func(httptrace.GotConnInfo) { // called after the hook of the tracker, which is newer
					connected = true
					require.Equal(t, http2, written.mayHaveLeft())
				},
			})
			req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, written.trace()), http.MethodGet, server.URL, http.NoBody)
			require.NoError(t, err)
			require.False(t, written.mayHaveLeft())
			resp, err := transport.RoundTrip(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.True(t, connected)
			require.True(t, written.mayHaveLeft())
		})
	}
}
