//go:build group

package chaos_test

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	routeEvery = 200 * time.Millisecond // the interval of the queries for the primary
	dialLimit  = time.Second
)

// router connects each new client to the current primary. It closes no connection: the service has to
// leave those to a demoted primary.
type router struct {
	listener net.Listener
	primary  atomic.Pointer[node]
	busy     sync.WaitGroup
}

func newRouter(t *testing.T, g *group) *router {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &router{listener: listener}
	over, end := context.WithCancel(context.Background())
	r.primary.Store(g.primary(over))
	r.busy.Go(func() { r.watch(over, g) })
	r.busy.Go(func() { r.accept(over) })
	t.Cleanup(func() {
		end()
		_ = listener.Close()
		r.busy.Wait()
	})
	return r
}

func (r *router) url() string { return groupURL(r.listener.Addr().String()) }

func (r *router) watch(ctx context.Context, g *group) {
	for ctx.Err() == nil {
		r.primary.Store(g.primary(ctx))
		time.Sleep(routeEvery)
	}
}

func (r *router) accept(ctx context.Context) {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.busy.Go(func() { r.forward(ctx, client) })
	}
}

// forward copies between a client and the primary until one of the connections is closed.
func (r *router) forward(ctx context.Context, client net.Conn) {
	defer func() { _ = client.Close() }()
	primary := r.primary.Load()
	if primary == nil {
		return
	}
	server, err := (&net.Dialer{Timeout: dialLimit}).DialContext(ctx, "tcp", primary.address)
	if err != nil {
		return
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	r.busy.Go(func() {
		_, _ = io.Copy(server, client) // the error does not matter
		_ = server.Close()
	})
	_, _ = io.Copy(client, server)
	_ = server.Close()
}
