package httpcall

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
)

// errSentBefore prevents net/http from sending a request a second time.
var errSentBefore = errors.New("the connection was lost after the request may have been sent")

// writeTracker tracks the connections of one request and reports whether a byte of the request may
// have left this process. If that cannot be decided, it reports true.
type writeTracker struct {
	mu     sync.Mutex
	conn   *countedConn
	before int64 // writes on conn before the request
	left   bool  // true for a connection before conn, or if writes cannot be attributed
}

// trace returns the hooks that track the request.
func (t *writeTracker) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{GotConn: t.gotConn}
}

// gotConn is called when the request gets a connection, which is after the dial and the TLS
// handshake. net/http calls it again with another connection if the first one was dead.
func (t *writeTracker) gotConn(info httptrace.GotConnInfo) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.left = t.leftLocked()

	conn := info.Conn
	if secure, ok := conn.(*tls.Conn); ok {
		if secure.ConnectionState().NegotiatedProtocol == "h2" {
			// Requests share the connection, so its writes cannot be attributed to this request.
			t.left = true
			return
		}
		conn = secure.NetConn()
	}
	counted, ok := conn.(*countedConn)
	if !ok {
		t.left = true
		return
	}
	t.conn, t.before = counted, counted.writes.Load()
}

// mayHaveLeft reports whether a byte of the request may have left. The result is final once
// RoundTrip has returned an error, because over HTTP/1.1 RoundTrip waits for the write to return.
func (t *writeTracker) mayHaveLeft() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.leftLocked()
}

func (t *writeTracker) leftLocked() bool {
	return t.left || t.conn != nil && t.conn.writes.Load() != t.before
}

// countedConn counts the writes that may have put a byte on the network. Under TLS it counts records
// of any kind: one that is not part of the request makes the tracker report true, which is safe.
type countedConn struct {
	net.Conn

	writes atomic.Int64
}

// Write counts before it writes, so that the count is never read too early.
func (c *countedConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	n, err := c.Conn.Write(p)
	if n == 0 && err != nil {
		c.writes.Add(-1) // the kernel took nothing
	}
	return n, err
}
