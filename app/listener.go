package app

import (
	"context"
	"fmt"
	"net"
	"sync"

	"go.uber.org/fx"

	"paymentd/app/config"
	"paymentd/app/internal/cause"
)

// listener listens on the address of the service from the beginning of the start. Connections wait in
// its backlog until the server accepts them.
type listener struct{ net.Listener }

func newListener(lc fx.Lifecycle, cfg config.Config) (listener, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", cfg.Addr)
	if err != nil {
		return listener{}, config.Invalid("addr", CannotListen(cfg.Addr, err))
	}
	lc.Append(fx.Hook{OnStop: func(context.Context) error {
		_ = l.Close() // the server has closed it, unless it has not started
		return nil
	}})
	return listener{limitConnections(l, cfg.ConnectionLimit())}, nil
}

// CannotListen returns the problem of a setting whose address cannot be listened on.
func CannotListen(addr string, err error) string {
	return fmt.Sprintf("must be an address that can be listened on, and %s is not: %s", addr, cause.Of(err))
}

// limitedListener accepts a connection only while fewer than the limit are open.
type limitedListener struct {
	net.Listener

	open   chan struct{} // has an element for each open connection, and one for a waiting Accept
	closed chan struct{}
	once   sync.Once
}

// limitConnections returns a listener with at most limit open connections. Further ones wait in the
// backlog of the operating system (listen(2)).
func limitConnections(l net.Listener, limit int) net.Listener {
	return &limitedListener{Listener: l, open: make(chan struct{}, limit), closed: make(chan struct{})}
}

// Accept implements net.Listener.
func (l *limitedListener) Accept() (net.Conn, error) {
	select {
	case l.open <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.open
		return nil, err
	}
	return &countedConn{Conn: conn, release: sync.OnceFunc(func() { <-l.open })}, nil
}

// Close implements net.Listener. Accepted connections stay open.
func (l *limitedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// countedConn is released at its first Close, which net/http may repeat.
type countedConn struct {
	net.Conn

	release func()
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	err := c.Conn.Close()
	c.release()
	return err
}
