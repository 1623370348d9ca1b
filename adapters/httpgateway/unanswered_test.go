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

func TestNotSent(t *testing.T) {
	t.Parallel()

	unused, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, unused.Close())

	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // the handshakes that fail on purpose
	secure.StartTLS()
	t.Cleanup(secure.Close)

	silent := listen(t, func(_ *wireServer, _ int64, c net.Conn) { untilGone(c) })
	plain := say(t, http.StatusOK, "application/json", approved)

	tests := map[string]struct {
		base    string
		timeout time.Duration
		message string
	}{
		"connection refused": {"http://" + unused.Addr().String(), patience, "connection refused"},
		// A label has at most 63 characters: the resolver refuses this one by itself.
		"name not found":         {"http://" + strings.Repeat("x", 64) + ".example", patience, "was not found"},
		"plain server":           {strings.Replace(plain, "http://", "https://", 1), patience, "does not speak TLS"},
		"unknown authority":      {secure.URL, patience, "unknown authority"},
		"handshake not answered": {strings.Replace(silent.base, "http://", "https://", 1), impatience, "time"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, tt.base, tt.timeout)

			r := g.Charge(t.Context(), newCharge(t))
			require.Equal(t, payment.ClassNotCharged, r.Class, r.Message)
			require.Contains(t, r.Message, "not sent")
			require.Contains(t, r.Message, tt.message)

			l := g.LookUp(t.Context(), "key-1")
			require.Equal(t, payment.FoundNoAnswer, l.Result)
			require.Contains(t, l.Message, tt.message)
		})
	}
}

func TestCancelledBeforeSending(t *testing.T) {
	t.Parallel()
	s := listen(t, func(_ *wireServer, _ int64, c net.Conn) { untilGone(c) })
	g := newGateway(t, s.base, patience)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	r := g.Charge(ctx, newCharge(t))
	require.Equal(t, payment.ClassNotCharged, r.Class, r.Message)
	require.Equal(t, payment.FoundNoAnswer, g.LookUp(ctx, "key-1").Result)
}

func TestCancelledAfterSending(t *testing.T) {
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
		r := w.gateway(t, s, patience).Charge(ctx, newCharge(t))
		require.Equal(t, payment.ClassUnknownUnanswered, r.Class, r.Message)
		require.Contains(t, r.Message, "cancelled")
	})
}

// What happens after the request went out and before its answer is whole.
func TestAnswerLost(t *testing.T) {
	t.Parallel()
	eachWire(t, func(t *testing.T, w wire) {
		t.Helper()
		const halfAnswer = "HTTP/1.1 %s\r\n" + mark + "Content-Type: application/json\r\nContent-Length: 400\r\n\r\n"

		tests := map[string]struct {
			timeout time.Duration
			handle  func(c net.Conn)
		}{
			"closed":      {patience, func(net.Conn) {}},
			"reset":       {patience, reset},
			"no answer":   {impatience, func(c net.Conn) { untilGone(c) }},
			"not HTTP":    {patience, func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.6\r\n\r\n") }},
			"half header": {patience, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Le") }},
			"half answer": {patience, func(c net.Conn) {
				_, _ = io.WriteString(c, strings.Replace(halfAnswer, "%s", "200 OK", 1)+approved)
			}},
			"half answer, then reset": {patience, func(c net.Conn) {
				_, _ = io.WriteString(c, strings.Replace(halfAnswer, "%s", "200 OK", 1)+approved)
				reset(c)
			}},
			"half a decline": {patience, func(c net.Conn) {
				_, _ = io.WriteString(c, strings.Replace(halfAnswer, "%s", "402 Payment Required", 1)+`{"code":`)
			}},
			"half a rejection": {patience, func(c net.Conn) {
				_, _ = io.WriteString(c, strings.Replace(halfAnswer, "%s", "422 Unprocessable Entity", 1)+`{`)
			}},
			"slow body": {impatience, func(c net.Conn) {
				_, _ = io.WriteString(c, strings.Replace(halfAnswer, "%s", "200 OK", 1))
				for {
					if _, err := io.WriteString(c, " "); err != nil {
						return
					}
					time.Sleep(impatience / 10) // the dribble of a real socket; ends with the client
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

				require.Equal(t, payment.FoundNoAnswer, g.LookUp(t.Context(), "key-1").Result)
			})
		}
	})
}

// The server resets at once, and the client may or may not have written by then. Both
// classes are right; which one it is must follow from whether a byte left.
func TestResetRightAfterAccept(t *testing.T) {
	t.Parallel()
	eachWire(t, func(t *testing.T, w wire) {
		t.Helper()
		s := w.listen(t, func(_ *wireServer, _ int64, c net.Conn) { reset(c) })
		g := w.gateway(t, s, patience)

		r := g.Charge(t.Context(), newCharge(t))
		require.Contains(t, []payment.Class{payment.ClassNotCharged, payment.ClassUnknownUnanswered}, r.Class)
		require.Equal(t, r.Class == payment.ClassNotCharged, strings.Contains(r.Message, "not sent"), r.Message)
		require.EqualValues(t, 1, s.connections.Load())
	})
}

// A kept connection that the server closes as the second charge arrives. net/http would
// send that charge again by itself; this gateway must not.
func TestKeptConnectionLost(t *testing.T) {
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
				g := w.gateway(t, s, patience)
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

// A kept connection that the server has closed between two charges. The second charge
// either goes out over a new connection, or is lost after sending; it is never
// charged twice, and never said to be "not charged" after a byte has left.
func TestKeptConnectionStale(t *testing.T) {
	t.Parallel()
	eachWire(t, func(t *testing.T, w wire) {
		t.Helper()
		s := w.listen(t, func(s *wireServer, _ int64, c net.Conn) {
			if s.readRequest(bufio.NewReader(c)) == nil {
				_, _ = io.WriteString(c, whole(approved))
			}
		})
		g := w.gateway(t, s, patience)
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

func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	eachWire(t, func(t *testing.T, w wire) {
		t.Helper()
		s := w.listen(t, func(s *wireServer, _ int64, c net.Conn) {
			r := bufio.NewReader(c)
			for s.readRequest(r) == nil {
				_, _ = io.WriteString(c, whole(approved))
			}
		})
		g := w.gateway(t, s, patience, httpgateway.WithConnections(1))
		for range 20 {
			require.Equal(t, payment.ClassApproved, g.Charge(t.Context(), newCharge(t)).Class)
		}
		require.EqualValues(t, 1, s.connections.Load())
		g.Close() // ends the connection, and with it the server's handler
	})
}

func TestHTTP2(t *testing.T) {
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

// TestHTTP2Ends: an answer is read to the end of its stream, though its length is known. Who resets
// streams instead is taken for an attacker by servers that count them.
func TestHTTP2Ends(t *testing.T) {
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
	for range 20 { // time for a reset to arrive, on the same connection
		require.Equal(t, payment.FoundApproved, g.LookUp(t.Context(), "key-1").Result)
	}
	close(end)
	require.NoError(t, <-reset)
	require.Equal(t, payment.ClassApproved, <-class)
}

// overHTTP2 returns a gateway that is served by HTTP/2.
func overHTTP2(t *testing.T, serve http.HandlerFunc) *httpgateway.Gateway {
	t.Helper()
	server := httptest.NewUnstartedServer(marked(serve))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	authorities := x509.NewCertPool()
	authorities.AddCert(server.Certificate())
	return newGateway(t, server.URL, patience, httpgateway.WithRootCAs(authorities))
}
