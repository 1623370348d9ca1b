package egress

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// Dialer connects to public addresses, and to the hosts that are allowed by name.
type Dialer struct {
	// Timeout bounds a dial.
	Timeout time.Duration
	// Allow are the hosts that are allowed by name.
	Allow Hosts
	// Resolver resolves names; nil for the system's.
	Resolver *net.Resolver
}

// DialContext connects to an address, which is a host and a port. The address is checked for each socket before it
// connects, after the name was resolved: [RefusedError].
func (d Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	open := &net.Dialer{Timeout: d.Timeout, Resolver: d.Resolver}
	if !d.Allow.Contains(host) {
		open.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil || !IsPublic(to.Addr()) {
				return &RefusedError{host: host, address: to.Addr().String()}
			}
			return nil
		}
	}
	return open.DialContext(ctx, network, address)
}
