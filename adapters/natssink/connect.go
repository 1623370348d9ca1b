package natssink

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"paymentd/internal/egress"
)

// pingEvery is how often a connection is checked. It is closed after two checks without an answer.
const pingEvery = 10 * time.Second

// maxCredentials bounds the file of credentials, in bytes.
const maxCredentials = 64 << 10

// connect connects to a server. It returns when ctx ends at the latest, or a little later.
func (s *Sender) connect(ctx context.Context, server string) (*nats.Conn, error) {
	timeout := s.options.Timeout
	if deadline, bounded := ctx.Deadline(); bounded {
		timeout = min(timeout, time.Until(deadline)) / 2 // a dial, and a handshake
	}
	if timeout <= 0 {
		return nil, context.DeadlineExceeded
	}
	dial := &dialer{ctx: ctx, dial: egress.Dialer{Timeout: timeout, Allow: s.options.Allow, Resolver: s.options.Resolver}}
	options := []nats.Option{
		nats.Name("paymentd/" + s.options.Version), nats.Timeout(timeout),
		// A connection that is lost is made again by the next attempt.
		nats.NoReconnect(), nats.IgnoreDiscoveredServers(), nats.PingInterval(pingEvery),
		nats.SkipHostLookup(), nats.SetCustomDialer(dial),
	}
	credentials, err := s.credentials()
	if err != nil {
		return nil, err
	}
	options = append(options, credentials...)
	if s.options.CAFile != "" {
		options = append(options, nats.RootCAs(s.options.CAFile))
	}
	conn, err := nats.Connect(server, options...)
	if err != nil && dial.err != nil {
		return nil, dial.err // the error of Connect is that no server is available
	}
	return conn, err
}

// credentials returns the options for the file of credentials.
func (s *Sender) credentials() ([]nats.Option, error) {
	path := s.options.CredentialsFile
	if path == "" {
		return nil, nil
	}
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxCredentials {
		err = fmt.Errorf("it has more than %d bytes", maxCredentials)
	}
	var content []byte
	if err == nil {
		content, err = os.ReadFile(path) //nolint:gosec // the operator names the file
	}
	if err != nil {
		return nil, fmt.Errorf("read the NATS credentials: %w", err)
	}
	text := strings.TrimSpace(string(content))
	if strings.Contains(text, "-----BEGIN") {
		return []nats.Option{nats.UserCredentials(path)}, nil
	}
	if user, password, found := strings.Cut(text, ":"); found {
		return []nats.Option{nats.UserInfo(user, password)}, nil
	}
	return []nats.Option{nats.Token(text)}, nil
}

// dialer is a dialer for one connect, whose methods have no context.
type dialer struct {
	ctx  context.Context //nolint:containedctx // nats.CustomDialer has no context
	dial egress.Dialer
	err  error // of the latest dial
}

// Dial implements nats.CustomDialer.
func (d *dialer) Dial(network, address string) (conn net.Conn, err error) {
	conn, d.err = d.dial.DialContext(d.ctx, network, address)
	return conn, d.err
}
