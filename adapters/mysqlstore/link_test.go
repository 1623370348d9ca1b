package mysqlstore_test

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// link is a network connection between a repository and its server that can be cut at a given
// statement.
type link struct {
	listener net.Listener
	server   string

	// accepted is called with the number of each connection before it is opened. Optional.
	accepted func(n int)

	mu    sync.Mutex
	conns []net.Conn
	plan  plan
	cuts  int
}

// plan is the statement at which the link is cut, and how.
type plan struct {
	statement string // a part of its text; empty for no cut
	// loseStatement cuts before the server gets the statement. Otherwise the statement is executed, and
	// its answer lost.
	loseStatement bool
	// late delays the statement until the channel is closed. Its sender is disconnected at once, and
	// delivered is closed when the server has executed it.
	late, delivered chan struct{}
	// forGood refuses every later connection.
	forGood bool
	// after is called between the server's answer, which is lost, and the cut.
	after func()
	// only is called instead of a cut.
	only func()
	// refuse is an error that is returned instead of sending the statement to the server.
	refuse []byte
}

// refusal is an error of the server, as an answer to a statement.
func refusal(number uint16, state string) []byte {
	payload := append([]byte{0xff, byte(number), byte(number >> 8), '#'}, state+"refused for a test"...)
	return append([]byte{byte(len(payload)), 0, 0, 1}, payload...)
}

// newLink puts a link in front of the server of a database, and returns it with the database's URL over
// the link.
func newLink(t *testing.T, databaseURL string) (l *link, linked string) {
	t.Helper()
	u, err := url.Parse(databaseURL)
	require.NoError(t, err)
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l = &link{listener: listener, server: u.Host}
	u.Host = listener.Addr().String()

	var all sync.WaitGroup
	all.Go(func() { l.accept(&all) })
	t.Cleanup(func() {
		require.NoError(t, listener.Close())
		l.closeAll()
		all.Wait()
	})
	return l, u.String()
}

// cutAt sets the plan, which is executed once.
func (l *link) cutAt(p plan) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.plan, l.cuts = p, 0
}

// onAccept calls f with the number of each connection, from 1, before the server gets it.
func (l *link) onAccept(f func(n int)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accepted = f
}

// wasCut reports whether the plan has been executed.
func (l *link) wasCut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cuts > 0
}

func (l *link) accept(all *sync.WaitGroup) {
	for n := 1; ; n++ {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.mu.Lock()
		accepted := l.accepted
		l.mu.Unlock()
		if accepted != nil {
			accepted(n)
		}
		server, err := net.Dial("tcp", l.server)
		if err != nil || !l.keep(client, server) {
			_ = client.Close()
			continue
		}
		w := &wire{link: l, client: client, server: server, silent: make(chan struct{})}
		all.Go(w.forward)
		all.Go(w.answer)
	}
}

// keep records a pair of connections, unless the link is cut for good.
func (l *link) keep(client, server net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.plan.forGood && l.cuts > 0 {
		_ = server.Close()
		return false
	}
	l.conns = append(l.conns, client, server)
	return true
}

func (l *link) closeAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range l.conns {
		_ = conn.Close()
	}
}

// due returns the plan if these bytes contain its statement.
func (l *link) due(packet []byte) (plan, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cuts > 0 || l.plan.statement == "" || !bytes.Contains(packet, []byte(l.plan.statement)) {
		return plan{}, false
	}
	l.cuts++
	return l.plan, true
}

// wire is one connection over the link.
type wire struct {
	link           *link
	client, server net.Conn
	silent         chan struct{} // closed when no more answers are forwarded

	mu  sync.Mutex
	cut *plan // nil until its statement comes
}

// forward forwards the client's bytes, and executes the plan at its statement.
func (w *wire) forward() {
	defer func() { _ = w.server.Close() }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := w.client.Read(buffer)
		if err != nil {
			return
		}
		p, due := w.link.due(buffer[:n])
		if due && p.refuse != nil {
			if _, err := w.client.Write(p.refuse); err != nil {
				return
			}
			continue
		}
		if due && !w.meet(p) {
			return
		}
		if _, err := w.server.Write(buffer[:n]); err != nil {
			return
		}
		if p.late != nil {
			<-w.silent
			close(p.delivered)
			return
		}
	}
}

// meet executes the plan before its statement is forwarded, and reports whether to forward it.
func (w *wire) meet(p plan) bool {
	if p.only != nil {
		p.only()
		return true
	}
	w.mu.Lock()
	w.cut = &p
	w.mu.Unlock()
	if p.loseStatement || p.late != nil {
		_ = w.client.Close()
	}
	if p.late != nil {
		<-p.late
	}
	return !p.loseStatement
}

// answer forwards the server's bytes until the wire is cut.
func (w *wire) answer() {
	defer close(w.silent)
	defer func() { _ = w.client.Close() }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := w.server.Read(buffer)
		w.mu.Lock()
		cut := w.cut
		w.mu.Unlock()
		if cut != nil && cut.after != nil {
			cut.after()
		}
		if err != nil || cut != nil {
			return
		}
		if _, err := io.Copy(w.client, bytes.NewReader(buffer[:n])); err != nil {
			return
		}
	}
}
