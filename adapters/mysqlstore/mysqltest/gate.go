package mysqltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
)

// gate forwards connections to the socket of a MySQL server, and can cut off one database, as if that were on a server
// of its own which has been killed. vtcombo has one server for the databases of all shards.
type gate struct {
	listener net.Listener
	upstream string // path of the server's socket
	busy     sync.WaitGroup

	mu   sync.Mutex
	cut  string              // database; empty for none
	open map[net.Conn]string // the database of each client; empty if it is not known
}

// maxHandshake limits the packets of a handshake, which have at most some hundred bytes.
const maxHandshake = 64 << 10

// newGate listens on a socket for every user.
func newGate(ctx context.Context, socket, upstream string) (*gate, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("listen for connections to the data server: %w", err)
	}
	if err := os.Chmod(socket, 0o777); err != nil { //nolint:gosec // the folder is for the user of Vitess only
		return nil, errors.Join(fmt.Errorf("open the socket: %w", err), listener.Close())
	}
	g := &gate{listener: listener, upstream: upstream, open: make(map[net.Conn]string)}
	g.busy.Go(g.accept)
	return g, nil
}

// set cuts off a database, closing its connections; an empty one cuts off none.
func (g *gate) set(database string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cut = database
	for client, of := range g.open {
		if database != "" && of == database {
			_ = client.Close()
		}
	}
}

// close closes all connections.
func (g *gate) close() error {
	err := g.listener.Close()
	g.mu.Lock()
	for client := range g.open {
		_ = client.Close()
	}
	g.mu.Unlock()
	g.busy.Wait()
	return err
}

func (g *gate) accept() {
	for {
		client, err := g.listener.Accept()
		if err != nil {
			return
		}
		g.mu.Lock()
		g.open[client] = ""
		g.mu.Unlock()
		g.busy.Go(func() {
			g.forward(client)
			g.mu.Lock()
			defer g.mu.Unlock()
			delete(g.open, client)
		})
	}
}

func (g *gate) forward(client net.Conn) {
	defer client.Close() //nolint:errcheck // it has no more to do
	server, err := new(net.Dialer).Dial("unix", g.upstream)
	if err != nil {
		return
	}
	defer server.Close() //nolint:errcheck // as above
	if _, err := forwardPacket(client, server); err != nil {
		return
	}
	login, err := forwardPacket(server, client)
	if err != nil || !g.admit(client, login) {
		return
	}
	g.busy.Go(func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	})
	_, _ = io.Copy(client, server)
}

// admit registers a client by the database that its login names, which is a text in it that ends in a zero
// ("Protocol::HandshakeResponse41"), and reports whether it is not cut off.
func (g *gate) admit(client net.Conn, login []byte) bool {
	const prefix = "\x00vt_"
	_, name, found := bytes.Cut(login, []byte(prefix))
	if !found {
		return true
	}
	name, _, _ = bytes.Cut(name, []byte{0})
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open[client] = prefix[1:] + string(name)
	return g.open[client] != g.cut
}

// forwardPacket forwards one packet: three bytes of length, a number, and the payload ("MySQL Packets").
func forwardPacket(to io.Writer, from io.Reader) ([]byte, error) {
	var header [4]byte
	if _, err := io.ReadFull(from, header[:]); err != nil {
		return nil, err
	}
	length := int(header[0]) | int(header[1])<<8 | int(header[2])<<16
	if length > maxHandshake {
		return nil, fmt.Errorf("a packet of %d bytes in a handshake", length)
	}
	packet := make([]byte, len(header)+length)
	copy(packet, header[:])
	if _, err := io.ReadFull(from, packet[len(header):]); err != nil {
		return nil, err
	}
	_, err := to.Write(packet)
	return packet, err
}
