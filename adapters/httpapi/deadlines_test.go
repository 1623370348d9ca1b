package httpapi_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/httpapi"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

// pipes is a listener in memory, so that a server can run in virtual time.
type pipes struct{ accepted chan net.Conn }

func (p *pipes) Accept() (net.Conn, error) {
	if conn, open := <-p.accepted; open {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (p *pipes) Close() error   { close(p.accepted); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "unix"} }

// caller is a client at one connection.
type caller struct {
	net.Conn
	t       *testing.T
	answers *bufio.Reader
}

func (c *caller) send(text string) {
	c.t.Helper()
	_, err := io.WriteString(c.Conn, text)
	require.NoError(c.t, err)
}

func (c *caller) answer() answer {
	c.t.Helper()
	response, err := http.ReadResponse(c.answers, nil)
	require.NoError(c.t, err)
	return (&service{t: c.t}).read(response)
}

// requireHangUp requires that the server closes the connection without a response, after this time.
func (c *caller) requireHangUp(after time.Duration) {
	c.t.Helper()
	began := time.Now()
	said, err := io.ReadAll(c.answers)
	require.NoError(c.t, err)
	require.Empty(c.t, string(said))
	require.Equal(c.t, after, time.Since(began))
}

// inVirtualTime runs a test against a server in virtual time.
func inVirtualTime(t *testing.T, p httpapi.Processor, test func(dial func() *caller, log *logbook)) {
	t.Helper()
	inVirtualTimeWith(t, p, options(t), test)
}

func inVirtualTimeWith(
	t *testing.T, p httpapi.Processor, o httpapi.Options, test func(dial func() *caller, log *logbook),
) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		listener, log := &pipes{accepted: make(chan net.Conn)}, &logbook{}
		server := httpapi.NewServer(httpapi.New(p, o, log.logger()), o, log.logger())
		served := make(chan error, 1)
		go func() { served <- httpapi.Serve(server, listener) }()
		t.Cleanup(func() {
			require.NoError(t, server.Close())
			require.ErrorIs(t, <-served, http.ErrServerClosed)
		})
		test(func() *caller {
			here, there := net.Pipe()
			listener.accepted <- there
			return &caller{Conn: here, t: t, answers: bufio.NewReader(here)}
		}, log)
	})
}

const (
	postHeader = "POST /payments/process HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n"
	late       = "the body did not arrive in time; send the same request again, and faster"
)

func TestServer_SlowHeader_ClosesConnection(t *testing.T) {
	t.Parallel()
	p := answering(approved)
	inVirtualTime(t, p, func(dial func() *caller, _ *logbook) {
		for _, text := range []string{"", "POST /payments/process HTTP/1.1\r\n", postHeader[:60]} {
			c := dial()
			c.send(text)
			c.requireHangUp(5 * time.Second)
		}
	})
	p.requireUntouched(t)
}

func TestServer_SlowBody_Returns408(t *testing.T) {
	t.Parallel()
	p := answering(approved)
	inVirtualTime(t, p, func(dial func() *caller, log *logbook) {
		c, began := dial(), time.Now()
		c.send(postHeader)
		for range 9 { // a byte per second does not extend the deadline
			time.Sleep(time.Second)
			c.send("{")
		}
		got := c.answer()
		require.Equal(t, 10*time.Second, time.Since(began))
		require.Equal(t, 408, got.status)
		require.Equal(t, late, got.sentence(t))
		require.True(t, got.closes)
		c.requireHangUp(0)
		require.EqualValues(t, 408, log.entries(t)[0]["status"])
	})
	p.requireUntouched(t)
}

// A body that is too large according to its Content-Length is refused at once.
func TestServer_ContentLengthTooLarge_Returns413(t *testing.T) {
	t.Parallel()
	inVirtualTime(t, &processor{}, func(dial func() *caller, _ *logbook) {
		c, began := dial(), time.Now()
		c.send(framed("Content-Length: 65537", "{"))
		got := c.answer()
		require.Equal(t, 413, got.status)
		require.True(t, got.closes)
		require.Zero(t, time.Since(began))
	})
}

// A body that is not needed holds a connection no longer than one that is read.
func TestServer_SlowBodyOfRefusedRequest_ClosesConnection(t *testing.T) {
	t.Parallel()
	inVirtualTime(t, &processor{}, func(dial func() *caller, _ *logbook) {
		c, began := dial(), time.Now()
		c.send(strings.Replace(postHeader, "process", "x/y", 1))
		got := c.answer()
		require.Equal(t, 404, got.status)
		require.Equal(t, 10*time.Second, time.Since(began))
		c.requireHangUp(0)
	})
}

// A payment may take longer than all deadlines of its connection. Afterwards the connection can be
// reused, with its deadlines in force.
func TestServer_LongPayment_KeepsConnection(t *testing.T) {
	t.Parallel()
	p := &processor{process: func(ctx context.Context, _ core.Request) (core.Answer, error) {
		time.Sleep(5 * time.Minute)
		return approved, ctx.Err()
	}}
	inVirtualTime(t, p, func(dial func() *caller, _ *logbook) {
		c, began := dial(), time.Now()
		for range 2 {
			c.send(postHeader + oneRequest)
			got := c.answer()
			require.Equal(t, 200, got.status, got.body)
		}
		require.Equal(t, 10*time.Minute, time.Since(began))
		time.Sleep(59 * time.Second)
		c.send(postHeader)
		require.Equal(t, 408, c.answer().status)
	})
}

func TestServer_LongLookUp_KeepsConnection(t *testing.T) {
	t.Parallel()
	p := &processor{history: func(ctx context.Context, _ payment.OrderID) (ports.History, error) {
		time.Sleep(time.Minute)
		return ports.History{Payment: payment.Payment{Money: money(t, "1", "USD")}}, ctx.Err()
	}}
	inVirtualTime(t, p, func(dial func() *caller, _ *logbook) {
		c := dial()
		c.send(looking("/payments/o"))
		require.Equal(t, 200, c.answer().status)
	})
}

// If the database does not respond, the service reports that it is not ready before the probe times
// out.
func TestReady_SlowDatabase_TimesOut(t *testing.T) {
	t.Parallel()
	p := &processor{ready: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
	inVirtualTime(t, p, func(dial func() *caller, _ *logbook) {
		c, began := dial(), time.Now()
		c.send(looking("/readyz"))
		require.Equal(t, 503, c.answer().status)
		require.Equal(t, 2*time.Second, time.Since(began))
	})
}

func TestServer_IdleConnection_IsClosed(t *testing.T) {
	t.Parallel()
	inVirtualTime(t, answering(approved), func(dial func() *caller, _ *logbook) {
		c := dial()
		c.send(postHeader + oneRequest)
		require.Equal(t, 200, c.answer().status)
		c.requireHangUp(time.Minute)
	})
}

// A response of the router itself has a deadline, too.
func TestServer_UnreadResponse_ClosesConnection(t *testing.T) {
	t.Parallel()
	inVirtualTime(t, answering(approved), func(dial func() *caller, _ *logbook) {
		for _, request := range []string{postHeader + oneRequest, "OPTIONS /payments HTTP/1.1\r\nHost: x\r\n\r\n"} {
			c := dial()
			c.send(request)
			time.Sleep(5 * time.Second)
			c.requireHangUp(0)
		}
	})
}

// A response that is larger than net/http's buffers fails while it is written, and is logged.
func TestServer_ClientStopsReading_IsLogged(t *testing.T) {
	t.Parallel()
	payments := many(t, 150)
	inVirtualTime(t, holding(payments), func(dial func() *caller, log *logbook) {
		c := dial()
		c.send("GET /payments?limit=200 HTTP/1.1\r\nHost: x\r\n\r\n")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		line := log.entries(t)[0]
		require.EqualValues(t, 200, line["status"])
		require.Contains(t, line["error"], "send answer: ")
		require.InDelta(t, 4_000, line["duration_ms"], 1)
	})
}

func TestServer_ClientDisconnects_IsLogged(t *testing.T) {
	t.Parallel()
	p := &processor{process: func(ctx context.Context, _ core.Request) (core.Answer, error) {
		<-ctx.Done()
		return core.Answer{}, context.Cause(ctx)
	}}
	inVirtualTime(t, p, func(dial func() *caller, log *logbook) {
		c := dial()
		c.send(postHeader + oneRequest)
		synctest.Wait()
		require.NoError(t, c.Close())
		synctest.Wait()
		line := log.entries(t)[0]
		require.EqualValues(t, 499, line["status"])
		require.Equal(t, "INFO", line["level"])
		require.NotContains(t, line, "error")
	})
}

func TestServer_BeyondMaxRequests_Returns503(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	p := &processor{process: func(context.Context, core.Request) (core.Answer, error) {
		<-release
		panic("and still gives its slot back")
	}}
	o := options(t)
	o.MaxRequests = 2
	s := serveWith(t, p, o)
	served := make(chan int)
	for range o.MaxRequests {
		go func() { served <- s.post(oneRequest).status }()
	}
	require.Eventually(t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.requests) == o.MaxRequests
	}, 10*time.Second, time.Millisecond)

	for _, got := range []answer{s.post(oneRequest), s.get("/payments/x"), s.get("/payments")} {
		require.Equal(t, 503, got.status)
		require.Equal(t, "1", got.header.Get("Retry-After"))
		require.Equal(t, "the service has too many concurrent requests; "+
			"nothing was charged by this one; send it again later", got.sentence(t))
	}
	require.Equal(t, 200, s.get("/healthz").status)
	require.Equal(t, 200, s.get("/readyz").status)
	require.Empty(t, p.listed)

	close(release)
	for range o.MaxRequests {
		require.Equal(t, 500, <-served)
	}
	require.Equal(t, 200, s.get("/payments").status)
}
