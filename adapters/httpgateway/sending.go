package httpgateway

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
)

// errSentBefore ends an attempt that net/http would send a second time.
var errSentBefore = errors.New("the connection was lost after the request may have been sent")

// sending follows one request to its connection, and tells whether a byte of it may have
// left. Its doubts count as yes.
type sending struct {
	mu     sync.Mutex
	conn   *countedConn
	before int64 // writes on conn before the request
	left   bool  // known without conn
}

// trace returns the hooks that follow the request.
func (s *sending) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{GotConn: s.gotConn}
}

// gotConn is called when the request is given a connection, and so after the dial and
// the TLS handshake. net/http may call it again with another, when the first was dead.
func (s *sending) gotConn(info httptrace.GotConnInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = s.leftLocked()

	conn := info.Conn
	if secure, ok := conn.(*tls.Conn); ok {
		if secure.ConnectionState().NegotiatedProtocol == "h2" {
			// Requests share the connection: its writes are not this request's.
			s.left = true
			return
		}
		conn = secure.NetConn()
	}
	counted, ok := conn.(*countedConn)
	if !ok {
		s.left = true
		return
	}
	s.conn, s.before = counted, counted.writes.Load()
}

// mayHaveLeft reports whether a byte of the request may have left. The answer is final
// once RoundTrip has returned an error: over HTTP/1.1 that waits for the write to end.
func (s *sending) mayHaveLeft() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leftLocked()
}

func (s *sending) leftLocked() bool {
	return s.left || s.conn != nil && s.conn.writes.Load() != s.before
}

// countedConn counts the writes that may have put a byte on the network. Under TLS it
// counts records of any kind: one that is not the request's errs to the safe side.
type countedConn struct {
	net.Conn

	writes atomic.Int64
}

// Write counts before it writes, so that whoever reads the count is never too early.
func (c *countedConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	n, err := c.Conn.Write(p)
	if n == 0 && err != nil {
		c.writes.Add(-1) // the kernel took nothing
	}
	return n, err
}
