package httpcall

import (
	"context"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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

// A kept connection that accepts no byte proves that nothing was sent. The call uses another
// connection, and if there is none, no byte of it left.
func TestDo_KeptConnectionAcceptsNothing_UsesAnother(t *testing.T) {
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
				_, _ = io.Copy(w, r.Body)
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
			c := dialing(server, dial)
			defer c.Close()
			u, err := url.Parse(server.URL)
			require.NoError(t, err)
			post := func() (Answer, *LostError) {
				return c.Do(t.Context(), Request{
					Method: http.MethodPost, URL: u, Header: http.Header{"Idempotency-Key": {"key-1"}}, Body: []byte("1"), MaxAnswerBytes: 8,
				})
			}

			a, lost := post()
			require.Nil(t, lost)
			require.Equal(t, "1", string(a.Body))
			broken.Store(true)
			_, lost = post()
			require.EqualValues(t, 2, dials.Load())
			if tt.reachable {
				require.Nil(t, lost)
				require.EqualValues(t, 2, requests.Load())
			} else {
				require.False(t, lost.MayHaveLeft, lost)
				require.EqualValues(t, 1, requests.Load())
			}
		})
	}
}

// dialing returns a client for the server that uses dial.
func dialing(server *httptest.Server, dial func(context.Context) (net.Conn, error)) *Client {
	o := Options{Timeout: 10 * time.Second, Connections: 64}
	if server.TLS != nil {
		o.RootCAs = x509.NewCertPool()
		o.RootCAs.AddCert(server.Certificate())
	}
	c := New(o)
	c.transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		return &countedConn{Conn: conn}, nil
	}
	return c
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
			transport := newTransport(Options{Timeout: 10 * time.Second, Connections: 1, RootCAs: authorities})
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
