package vendors

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"time"

	"paymentd/core/payment"
)

type dialer = func(ctx context.Context, network, address string) (net.Conn, error)

// host serves a vendor over connections in memory, which replicas dial.
type host struct {
	vendor

	name   payment.GatewayID
	world  *world
	server *http.Server
	conns  chan net.Conn
	closed chan struct{}
	away   atomic.Bool  // it refuses connections
	late   atomic.Int64 // requests that are still to be executed
}

func newHost(w *world, name payment.GatewayID, v vendor) *host {
	h := &host{vendor: v, name: name, world: w, conns: make(chan net.Conn), closed: make(chan struct{})}
	h.server = &http.Server{
		Handler: http.HandlerFunc(h.serve), ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			dialed, _ := c.(*dialedConn)
			return context.WithValue(ctx, callerKey{}, dialed.by)
		},
	}
	go func() { _ = h.server.Serve(h) }()
	return h
}

// dialedConn is the server's side of a connection of a replica.
type dialedConn struct {
	net.Conn
	by *replica
}

type callerKey struct{}

// errRefused: a connection was refused.
var errRefused = errors.New("connection refused")

// dial connects a replica.
func (h *host) dial(by *replica) dialer {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		if h.away.Load() || by.crashed() {
			return nil, errRefused
		}
		client, server := net.Pipe()
		select {
		case h.conns <- &dialedConn{server, by}:
			return client, nil
		case <-h.closed:
			return nil, errRefused
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Accept, Close and Addr make the host a listener.
func (h *host) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

func (h *host) Close() error {
	close(h.closed)
	return nil
}

func (h *host) Addr() net.Addr { return &net.UnixAddr{Name: string(h.name)} }

// serve meets a request of a replica with the fault that the run has for it.
func (h *host) serve(w http.ResponseWriter, r *http.Request) {
	by, _ := r.Context().Value(callerKey{}).(*replica)
	body, err := io.ReadAll(r.Body)
	if err != nil || by.crashed() || h.away.Load() {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	fault := h.world.faultOfRequest(by, h, r)
	if fault == nil {
		h.ServeHTTP(w, r)
		return
	}
	fault(&exchange{h, by, w, r})
}

// exchange is a request that meets a fault.
type exchange struct {
	*host
	by *replica
	w  http.ResponseWriter
	r  *http.Request
}

// execute executes the request, and discards the answer.
func (e *exchange) execute() { e.ServeHTTP(httptest.NewRecorder(), e.r) }

// executeLater executes the request after a time, also if its connection is closed.
func (e *exchange) executeLater(after time.Duration) {
	later := e.r.WithContext(context.WithoutCancel(e.r.Context()))
	e.late.Add(1)
	go func() {
		defer e.late.Add(-1)
		time.Sleep(after)
		e.ServeHTTP(httptest.NewRecorder(), later)
	}()
}

func (e *exchange) drop() { panic(http.ErrAbortHandler) }

// page is an answer of something in between, such as a proxy.
func (e *exchange) page(status int) {
	e.w.Header().Set("Content-Type", "text/html")
	e.w.WriteHeader(status)
	_, _ = io.WriteString(e.w, "<html>simulated</html>")
}

// requestFault is what happens to a request.
type requestFault func(*exchange)

// lateBy is how late a request arrives: less than [late], which is what PAYMENTD_LATE promises.
const lateBy = 3 * time.Second

// requestFaults are those of one request. The first two crash the worker.
var requestFaults = []struct {
	name  string
	fault requestFault
}{
	{"crash before the request arrives", func(e *exchange) { e.by.crash(); e.drop() }},
	{"crash, the request executed", func(e *exchange) { e.execute(); e.by.crash(); e.drop() }},
	{"request lost", func(e *exchange) { e.drop() }},
	{"answer lost", func(e *exchange) { e.execute(); e.drop() }},
	{"executed late", func(e *exchange) { e.executeLater(lateBy); e.drop() }},
	{"timeout, executed", func(e *exchange) { e.execute(); time.Sleep(gatewayTimeout + time.Second); e.drop() }},
	{"answered by a proxy, executed", func(e *exchange) { e.execute(); e.page(http.StatusServiceUnavailable) }},
	{"answered by a proxy, not executed", func(e *exchange) { e.page(http.StatusPaymentRequired) }},
	{"answered by a proxy with 404, executed late", func(e *exchange) { e.executeLater(lateBy); e.page(http.StatusNotFound) }},
	{"500 after the execution", func(e *exchange) { e.fail(e.w, e.r, true) }},
	{"500 before the execution", func(e *exchange) { e.fail(e.w, e.r, false) }},
	{"too many requests", func(e *exchange) { e.limit(e.w, e.r) }},
}

// crashing is how many of the requestFaults crash the worker.
const crashing = 2

// once runs something once, and reports whether this call did.
type once struct{ sync.Once }

func (o *once) first() (ran bool) {
	o.Do(func() { ran = true })
	return ran
}
