package httpgateway_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/httpgateway"
	"paymentd/core/payment"
)

// longTimeout is the timeout of a gateway that is expected to answer, or to break the connection. Only
// a failing test waits for it.
const longTimeout = 10 * time.Second

// shortTimeout is the timeout of a gateway that does not answer.
const shortTimeout = 60 * time.Millisecond

const approved = `{"transaction_id":"txn-21408","status":"succeeded"}`

func newGateway(t *testing.T, base string, timeout time.Duration, opts ...httpgateway.Option) *httpgateway.Gateway {
	t.Helper()
	g, err := httpgateway.New(base, timeout, opts...)
	require.NoError(t, err)
	t.Cleanup(g.Close)
	return g
}

func dollars(t testing.TB, amount string) payment.Money {
	t.Helper()
	usd, err := payment.ParseCurrency("USD")
	require.NoError(t, err)
	money, err := payment.ParseMoney(amount, usd)
	require.NoError(t, err)
	return money
}

func newCharge(t testing.TB) payment.Charge {
	t.Helper()
	return payment.Charge{Key: "key-1", OrderID: "order-123", Money: dollars(t, "100")}
}

// serve answers every request with handler, over HTTP/1.1, and marks the answers as a gateway does.
func serve(t *testing.T, handler http.HandlerFunc) (base string) {
	t.Helper()
	return serveUnmarked(t, marked(handler))
}

// serveUnmarked responds as an intermediary does.
func serveUnmarked(t *testing.T, handler http.HandlerFunc) (base string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// marked puts the gateway's mark on the answers of handler.
func marked(handler http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("Idempotency-Key")
		if _, last, ok := strings.Cut(r.URL.Path, "/charges/"); ok {
			key = last
		}
		w.Header().Set("Idempotency-Key", key)
		handler(w, r)
	}
}

// say answers every request with this status, content type and body.
func say(t *testing.T, status int, contentType, body string) (base string) {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

// wireServer is a server whose handling of a connection is up to the test. It counts connections
// and requests.
type wireServer struct {
	base        string
	connections atomic.Int64
	requests    atomic.Int64
}

// wire is a way to connect to a server: plain text or TLS.
type wire struct {
	scheme  string
	listen  func(t *testing.T, handle func(s *wireServer, number int64, c net.Conn)) *wireServer
	options []httpgateway.Option // of a gateway that trusts the server
	// handshake is the additional time of a TLS handshake on a busy machine.
	handshake time.Duration
}

// eachWire runs a test over plain text and TLS.
func eachWire(t *testing.T, test func(t *testing.T, w wire)) {
	t.Helper()
	lender := httptest.NewTLSServer(http.NotFoundHandler()) // provides its certificate
	t.Cleanup(lender.Close)
	authorities := x509.NewCertPool()
	authorities.AddCert(lender.Certificate())
	secure := &tls.Config{Certificates: lender.TLS.Certificates, MinVersion: tls.VersionTLS12}
	for _, w := range []wire{
		{scheme: "http", listen: listen},
		{
			scheme: "https",
			listen: func(t *testing.T, handle func(s *wireServer, number int64, c net.Conn)) *wireServer {
				t.Helper()
				s := listen(t, func(s *wireServer, number int64, c net.Conn) {
					over := tls.Server(c, secure)
					defer func() { _ = over.Close() }()
					handle(s, number, over)
				})
				s.base = strings.Replace(s.base, "http:", "https:", 1)
				return s
			},
			options:   []httpgateway.Option{httpgateway.WithRootCAs(authorities)},
			handshake: 2 * time.Second,
		},
	} {
		t.Run(w.scheme, func(t *testing.T) {
			t.Parallel()
			test(t, w)
		})
	}
}

// gateway returns a gateway at the server.
func (w wire) gateway(t *testing.T, s *wireServer, timeout time.Duration, more ...httpgateway.Option) *httpgateway.Gateway {
	t.Helper()
	return newGateway(t, s.base, timeout, append(more, w.options...)...)
}

// listen calls handle for each connection with its number, from 1, and closes the connection
// afterwards.
func listen(t *testing.T, handle func(s *wireServer, number int64, c net.Conn)) *wireServer {
	t.Helper()
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	s := &wireServer{base: "http://" + listener.Addr().String()}

	var open sync.WaitGroup
	open.Go(func() {
		for {
			conn, err := listener.AcceptTCP()
			if err != nil {
				return
			}
			number := s.connections.Add(1)
			open.Go(func() {
				defer func() { _ = conn.Close() }()
				handle(s, number, conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		open.Wait()
	})
	return s
}

// readRequest reads a complete request.
func (s *wireServer) readRequest(r *bufio.Reader) error {
	request, err := http.ReadRequest(r)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, request.Body); err != nil {
		return err
	}
	s.requests.Add(1)
	return nil
}

// reset closes the connection so that the client gets a RST instead of the end of the stream.
func reset(c net.Conn) {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	socket, _ := c.(*net.TCPConn)
	_ = socket.SetLinger(0)
	_ = socket.Close()
}

// mark is the mark on an answer to [newCharge].
const mark = "Idempotency-Key: key-1\r\n"

// whole returns a marked 200 response of HTTP/1.1.
func whole(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\n"+mark+"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		len(body), body)
}
