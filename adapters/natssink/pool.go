package natssink

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"paymentd/core/endpoint"
)

// idleAfter is how long a connection is kept after its latest attempt, because the endpoint may be gone.
const idleAfter = time.Minute

// pool has a connection for each endpoint that has been sent to lately. The zero value is empty.
type pool struct {
	mu      sync.Mutex
	entries map[endpoint.ID]*entry
	closed  bool
}

// entry is the connection of one endpoint.
type entry struct {
	// busy has room for the one who connects. The others wait for it, for as long as their attempts last.
	busy chan struct{}
	// What follows belongs to the holder of busy.
	server string
	conn   *nats.Conn

	used time.Time // pool.mu guards it
}

// get returns the connection of an endpoint, and connects if there is none that is open.
func (p *pool) get(
	ctx context.Context, id endpoint.ID, server string, connect func(context.Context, string) (*nats.Conn, error),
) (*nats.Conn, error) {
	e := p.entry(id, time.Now())
	if e == nil {
		return nil, nats.ErrConnectionClosed
	}
	select {
	case e.busy <- struct{}{}:
		defer func() { <-e.busy }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if e.conn != nil && e.server == server && e.conn.IsConnected() {
		return e.conn, nil
	}
	e.drop()
	conn, err := connect(ctx, server)
	if err != nil {
		return nil, err
	}
	e.conn, e.server = conn, server
	return conn, nil
}

// entry returns the entry of an endpoint, and drops those that are idle; nil after a close.
func (p *pool) entry(id endpoint.ID, now time.Time) *entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	for other, e := range p.entries {
		if other == id || now.Sub(e.used) < idleAfter {
			continue
		}
		select {
		case e.busy <- struct{}{}: // for ever
			e.drop()
			delete(p.entries, other)
		default: // it is connecting
		}
	}
	e := p.entries[id]
	if e == nil {
		if p.entries == nil {
			p.entries = make(map[endpoint.ID]*entry)
		}
		e = &entry{busy: make(chan struct{}, 1)}
		p.entries[id] = e
	}
	e.used = now
	return e
}

// drop closes the connection.
func (e *entry) drop() {
	if e.conn != nil {
		e.conn.Close()
		e.conn = nil
	}
}

// close closes all connections, when no attempt is in flight any more.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, e := range p.entries {
		e.busy <- struct{}{} // for ever
		e.drop()
	}
}
