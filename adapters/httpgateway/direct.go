package httpgateway

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync"
	"syscall"
	"time"
)

// maxInterim bounds the answers of the kind "100 Continue" before the one that counts.
const maxInterim = 5

var errHeaderTooLong = errors.New("the header of the answer is too long")

// direct exchanges requests and answers over HTTP/1.1 in the goroutine of whoever asks, on
// connections without TLS. net/http's client hands each exchange on between three goroutines;
// that is most of the processor's time of an attempt, and their stacks are most of the memory of a
// payment that waits for its gateway. The words of the protocol are read and written by net/http
// all the same.
type direct struct {
	dial        func(context.Context) (net.Conn, error)
	connections int // kept idle at most
	buffers     sync.Pool

	mu     sync.Mutex
	idle   []*link // the one that was used last is last
	prune  *time.Timer
	closed bool // none is kept any more
}

// link is a connection, with one exchange on it at a time.
type link struct {
	net.Conn

	raw    syscall.RawConn // nil where the connection is no socket
	reader *bufio.Reader
	budget int // bytes that may still be read; below zero for any number
	kept   bool
	since  time.Time // when it became idle
}

func newDirect(base *url.URL, timeout time.Duration, connections int) *direct {
	port := base.Port()
	if port == "" {
		port = "80"
	}
	address := net.JoinHostPort(base.Hostname(), port)
	dialer := &net.Dialer{Timeout: timeout}
	return &direct{
		dial: func(ctx context.Context) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", address)
		},
		connections: connections,
		buffers:     sync.Pool{New: func() any { return new(bytes.Buffer) }},
	}
}

// exchange implements sender. It knows by itself whether a byte has left: the request is one write.
func (d *direct) exchange(req *http.Request) (answer, *lostError) {
	ctx := req.Context()
	buffer, _ := d.buffers.Get().(*bytes.Buffer)
	defer d.buffers.Put(buffer)
	buffer.Reset()
	if err := req.Write(buffer); err != nil {
		return answer{}, &lostError{cause: err}
	}
	for {
		if ctx.Err() != nil {
			return answer{}, &lostError{cause: ctx.Err()}
		}
		l, err := d.link(ctx)
		if err != nil {
			return answer{}, &lostError{cause: reason(ctx, err)}
		}
		// What waits on the connection fails when ctx ends.
		stop := context.AfterFunc(ctx, func() { _ = l.SetDeadline(time.Unix(1, 0)) })
		n, err := l.Write(buffer.Bytes())
		if err != nil && n == 0 {
			stop()
			_ = l.Close()
			if l.kept {
				continue // it was dead, and took nothing: another one may
			}
			return answer{}, &lostError{cause: reason(ctx, err)}
		}
		var a answer
		again := false
		if err == nil {
			a, again, err = l.read(req)
		}
		if !stop() || !again {
			_ = l.Close()
		} else {
			d.keep(l)
		}
		if err != nil {
			return answer{}, &lostError{mayHaveLeft: true, cause: reason(ctx, err)}
		}
		return a, nil
	}
}

// reason is why something has failed: where ctx has ended, that.
func reason(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// link returns an idle connection that is not known to be dead, or a new one.
func (d *direct) link(ctx context.Context) (*link, error) {
	for l := d.take(); l != nil; l = d.take() {
		if l.alive() {
			l.kept = true
			return l, nil
		}
		_ = l.Close()
	}
	conn, err := d.dial(ctx)
	if err != nil {
		return nil, err
	}
	l := &link{Conn: conn}
	l.reader = bufio.NewReaderSize(l, bufferSize)
	if socket, ok := conn.(syscall.Conn); ok {
		l.raw, _ = socket.SyscallConn() // without it, a dead one shows when it is used
	}
	return l, nil
}

func (d *direct) take() (l *link) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if last := len(d.idle) - 1; last >= 0 {
		l, d.idle[last] = d.idle[last], nil
		d.idle = d.idle[:last]
	}
	return l
}

// keep makes a connection idle, for a while.
func (d *direct) keep(l *link) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || len(d.idle) >= d.connections {
		_ = l.Close()
		return
	}
	l.since = time.Now()
	d.idle = append(d.idle, l)
	if d.prune == nil {
		d.prune = time.AfterFunc(idleTimeout, d.closeOld)
	}
}

// closeOld closes the connections that have been idle for idleTimeout, and comes again for the
// others.
func (d *direct) closeOld() {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := 0
	for old < len(d.idle) && time.Since(d.idle[old].since) >= idleTimeout {
		_ = d.idle[old].Close()
		old++
	}
	d.idle = append([]*link(nil), d.idle[old:]...)
	if d.prune = nil; len(d.idle) > 0 {
		d.prune = time.AfterFunc(time.Until(d.idle[0].since.Add(idleTimeout)), d.closeOld)
	}
}

// close implements sender.
func (d *direct) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range d.idle {
		_ = l.Close()
	}
	d.idle, d.closed = nil, true
	if d.prune != nil {
		d.prune.Stop()
		d.prune = nil
	}
}

// alive reports whether an idle connection can be used: its socket has nothing to read, not even
// an end.
func (l *link) alive() bool {
	if l.raw == nil {
		return true
	}
	var quiet bool
	err := l.raw.Read(func(socket uintptr) bool {
		var b [1]byte
		_, err := syscall.Read(int(socket), b[:])
		quiet = errors.Is(err, syscall.EAGAIN)
		return true // do not wait for something to read
	})
	return err == nil && quiet
}

// Read is how reader reads.
func (l *link) Read(p []byte) (int, error) {
	if l.budget == 0 {
		return 0, errHeaderTooLong
	}
	if l.budget > 0 {
		p = p[:min(len(p), l.budget)]
	}
	n, err := l.Conn.Read(p)
	if l.budget > 0 {
		l.budget -= n
	}
	return n, err
}

// read reads the answer to a request that was sent. again says that the connection can be used for
// another one.
func (l *link) read(req *http.Request) (a answer, again bool, err error) {
	l.budget = maxHeaderBytes
	resp, err := http.ReadResponse(l.reader, req)
	for range maxInterim {
		if err != nil || resp.StatusCode/100 != 1 || resp.StatusCode == http.StatusSwitchingProtocols {
			break
		}
		resp, err = http.ReadResponse(l.reader, req)
	}
	if err != nil {
		return answer{}, false, err
	}
	l.budget = -1
	defer func() { _ = resp.Body.Close() }() // what it could say has no bearing on the answer
	a, err = readAnswer(resp)
	if a.tooLong {
		_ = l.Close() // or the body, as it is closed, reads on to its end, however far that is
	}
	again = err == nil && !a.tooLong && !resp.Close && l.reader.Buffered() == 0 && resp.StatusCode/100 != 1
	return a, again, err
}
