package httpgateway_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/httpgateway"
	"paymentd/core/payment"
)

// untilGone waits until the client has closed its side.
func untilGone(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

func TestCharge_NotSent_IsNotCharged(t *testing.T) {
	t.Parallel()

	unused, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, unused.Close())

	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes fail on purpose
	secure.StartTLS()
	t.Cleanup(secure.Close)

	silent := listen(t, func(_ *wireServer, _ int64, c net.Conn) { untilGone(c) })
	plain := say(t, http.StatusOK, "application/json", approved)

	tests := map[string]struct {
		base    string
		timeout time.Duration
		message string
	}{
		"connection refused": {"http://" + unused.Addr().String(), longTimeout, "connection refused"},
		// A label has at most 63 characters, so the resolver refuses this one without a query.
		"name not found":         {"http://" + strings.Repeat("x", 64) + ".example", longTimeout, "was not found"},
		"plain server":           {strings.Replace(plain, "http://", "https://", 1), longTimeout, "does not speak TLS"},
		"unknown authority":      {secure.URL, longTimeout, "unknown authority"},
		"handshake not answered": {strings.Replace(silent.base, "http://", "https://", 1), shortTimeout, "time"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, tt.base, tt.timeout)

			r := g.Charge(t.Context(), newCharge(t))
			require.Equal(t, payment.ClassNotCharged, r.Class, r.Message)
			require.Contains(t, r.Message, "not sent")
			require.Contains(t, r.Message, tt.message)

			l := g.LookUp(t.Context(), payment.ChargeRef{Key: "key-1"})
			require.Equal(t, payment.FoundNoAnswer, l.Result)
			require.Contains(t, l.Message, tt.message)
		})
	}
}

func TestCharge_CancelledBeforeSending_IsNotCharged(t *testing.T) {
	t.Parallel()
	s := listen(t, func(_ *wireServer, _ int64, c net.Conn) { untilGone(c) })
	g := newGateway(t, s.base, longTimeout)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	r := g.Charge(ctx, newCharge(t))
	require.Equal(t, payment.ClassNotCharged, r.Class, r.Message)
	require.Equal(t, payment.FoundNoAnswer, g.LookUp(ctx, payment.ChargeRef{Key: "key-1"}).Result)
}

func TestCharge_CancelledAfterSending_IsUnknown(t *testing.T) {
	t.Parallel()
	eachWire(t, func(t *testing.T, w wire) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		s := w.listen(t, func(s *wireServer, _ int64, c net.Conn) {
			if s.readRequest(bufio.NewReader(c)) == nil {
				cancel()
			}
			untilGone(c)
		})
		r := w.gateway(t, s, longTimeout).Charge(ctx, newCharge(t))
		require.Equal(t, payment.ClassUnknownUnanswered, r.Class, r.Message)
		require.Contains(t, r.Message, "cancelled")
	})
}

// Failures after the request was sent and before its answer is complete.
func TestCharge_AnswerLost_IsUnknown(t *testing.T) {
	t.Parallel()
	eachWire(t, func(t *testing.T, w wire) {
		t.Helper()
		const halfAnswer = "HTTP/1.1 %s\r\n" + mark + "Content-Type: application/json\r\nContent-Length: 400\r\n\r\n"

		tests := map[string]struct {
			timeout time.Duration
			handle  func(c net.Conn)
		}{
			"closed":      {longTimeout, func(net.Conn) {}},
			"reset":       {longTimeout, reset},
			"no answer":   {shortTimeout, func(c net.Conn) { untilGone(c) }},
			"not HTTP":    {longTimeout, func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.6\r\n\r\n") }},
			"half header": {longTimeout, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Le") }},
			"half answer": {longTimeout, func(c net.Conn) {
				_, _ = io.WriteString(c, strings.Replace(halfAnswer, "%s", "200 OK", 1)+approved)
			}},
			"half answer, then reset": {longTimeout, func(c net.Conn) {
				_, _ = io.WriteString(c, strings.Replace(halfAnswer, "%s", "200 OK", 1)+approved)
				reset(c)
			}},
			"half a decline": {longTimeout, func(c net.Conn) {
				_, _ = io.WriteString(c, strings.Replace(halfAnswer, "%s", "402 Payment Required", 1)+`{"code":`)
			}},
			"half a rejection": {longTimeout, func(c net.Conn) {
				_, _ = io.WriteString(c, strings.Replace(halfAnswer, "%s", "422 Unprocessable Entity", 1)+`{`)
			}},
			"slow body": {shortTimeout, func(c net.Conn) {
				_, _ = io.WriteString(c, strings.Replace(halfAnswer, "%s", "200 OK", 1))
				for {
					if _, err := io.WriteString(c, " "); err != nil {
						return
					}
					time.Sleep(shortTimeout / 10) // a slow real socket; ends with the client
				}
			}},
		}
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := w.listen(t, func(s *wireServer, _ int64, c net.Conn) {
					if s.readRequest(bufio.NewReader(c)) == nil {
						tt.handle(c)
					}
				})
				g := w.gateway(t, s, tt.timeout+w.handshake)

				r := g.Charge(t.Context(), newCharge(t))
				require.Equal(t, payment.ClassUnknownUnanswered, r.Class, r.Message)
				require.Contains(t, r.Message, "no answer")
				require.EqualValues(t, 1, s.requests.Load(), "one attempt is one request")

				require.Equal(t, payment.FoundNoAnswer, g.LookUp(t.Context(), payment.ChargeRef{Key: "key-1"}).Result)
			})
		}
	})
}

// The server resets at once, possibly before the client writes. Both classes are right; which one
// it is must depend on whether a byte left.
func TestCharge_ResetAfterAccept_DependsOnWrites(t *testing.T) {
	t.Parallel()
	eachWire(t, func(t *testing.T, w wire) {
		t.Helper()
		s := w.listen(t, func(_ *wireServer, _ int64, c net.Conn) { reset(c) })
		g := w.gateway(t, s, longTimeout)

		r := g.Charge(t.Context(), newCharge(t))
		require.Contains(t, []payment.Class{payment.ClassNotCharged, payment.ClassUnknownUnanswered}, r.Class)
		require.Equal(t, r.Class == payment.ClassNotCharged, strings.Contains(r.Message, "not sent"), r.Message)
		require.EqualValues(t, 1, s.connections.Load())
	})
}

// The server closes a kept connection when the second charge arrives. net/http would re-send that
// charge; this gateway must not, with or without TLS.
func TestCharge_KeptConnectionLost_IsNotResent(t *testing.T) {
	t.Parallel()
	eachWire(t, func(t *testing.T, w wire) {
		t.Helper()
		for name, end := range map[string]func(c net.Conn){"closed": func(net.Conn) {}, "reset": reset} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := w.listen(t, func(s *wireServer, _ int64, c net.Conn) {
					r := bufio.NewReader(c)
					if s.readRequest(r) != nil {
						return
					}
					_, _ = io.WriteString(c, whole(approved))
					if s.readRequest(r) == nil {
						end(c)
					}
				})
				g := w.gateway(t, s, longTimeout)
				require.Equal(t, payment.ClassApproved, g.Charge(t.Context(), newCharge(t)).Class)

				r := g.Charge(t.Context(), newCharge(t))
				require.Equal(t, payment.ClassUnknownUnanswered, r.Class, r.Message)
				require.EqualValues(t, 2, s.requests.Load(), "the charge was sent a second time")
				require.EqualValues(t, 1, s.connections.Load())

				require.Equal(t, payment.ClassApproved, g.Charge(t.Context(), newCharge(t)).Class,
					"the next attempt has a connection of its own")
			})
		}
	})
}

// The server closes a kept connection between two charges. The second charge either uses a new
// connection, or is lost after sending; it is never charged twice, and never reported as not
// charged after a byte has left.
func TestCharge_KeptConnectionStale_IsChargedAtMostOnce(t *testing.T) {
	t.Parallel()
	eachWire(t, func(t *testing.T, w wire) {
		t.Helper()
		s := w.listen(t, func(s *wireServer, _ int64, c net.Conn) {
			if s.readRequest(bufio.NewReader(c)) == nil {
				_, _ = io.WriteString(c, whole(approved))
			}
		})
		g := w.gateway(t, s, longTimeout)
		const charges = 50
		var answered int64
		for range charges {
			switch r := g.Charge(t.Context(), newCharge(t)); r.Class {
			case payment.ClassApproved:
				answered++
			case payment.ClassUnknownUnanswered:
				require.Contains(t, r.Message, "no answer")
			default:
				require.Fail(t, "unexpected class", "%s: %s", r.Class, r.Message)
			}
		}
		require.Equal(t, answered, s.requests.Load(), "each request that was read was answered")
		require.Positive(t, answered)
	})
}

func TestCharge_Connection_IsReused(t *testing.T) {
	t.Parallel()
	eachWire(t, func(t *testing.T, w wire) {
		t.Helper()
		s := w.listen(t, func(s *wireServer, _ int64, c net.Conn) {
			r := bufio.NewReader(c)
			for s.readRequest(r) == nil {
				_, _ = io.WriteString(c, whole(approved))
			}
		})
		g := w.gateway(t, s, longTimeout, httpgateway.WithConnections(1))
		for range 20 {
			require.Equal(t, payment.ClassApproved, g.Charge(t.Context(), newCharge(t)).Class)
		}
		require.EqualValues(t, 1, s.connections.Load())
		g.Close() // closes the connection, so that the server's handler returns
	})
}

func TestCharge_HTTP2(t *testing.T) {
	t.Parallel()
	g := overHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			w.WriteHeader(http.StatusHTTPVersionNotSupported)
			return
		}
		if r.Header.Get("Idempotency-Key") == "lost" {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, approved)
	})

	c := newCharge(t)
	require.Equal(t, payment.Result{Class: payment.ClassApproved, TransactionID: "txn-21408", Answered: true}, g.Charge(t.Context(), c))
	c.Key = "lost"
	require.Equal(t, payment.ClassUnknownUnanswered, g.Charge(t.Context(), c).Class)
}

// An answer is read to the end of its stream even if its length is known, because servers that
// count resets take a client that resets streams for an attacker.
func TestCharge_HTTP2_ReadsTheStreamToItsEnd(t *testing.T) {
	t.Parallel()
	written, end, reset := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	g := overHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(approved)))
		_, _ = io.WriteString(w, approved)
		if r.Method == http.MethodPost {
			_ = http.NewResponseController(w).Flush()
			close(written)
			<-end
			reset <- r.Context().Err()
		}
	})

	class, c := make(chan payment.Class, 1), newCharge(t)
	go func() { class <- g.Charge(t.Context(), c).Class }()
	<-written
	for range 20 { // gives a reset time to arrive on the same connection
		require.Equal(t, payment.FoundApproved, g.LookUp(t.Context(), payment.ChargeRef{Key: "key-1"}).Result)
	}
	close(end)
	require.NoError(t, <-reset)
	require.Equal(t, payment.ClassApproved, <-class)
}

// overHTTP2 returns a gateway with HTTP/2.
func overHTTP2(t *testing.T, serve http.HandlerFunc) *httpgateway.Gateway {
	t.Helper()
	server := httptest.NewUnstartedServer(marked(serve))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	authorities := x509.NewCertPool()
	authorities.AddCert(server.Certificate())
	return newGateway(t, server.URL, longTimeout, httpgateway.WithRootCAs(authorities))
}
