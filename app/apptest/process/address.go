package process

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// FreeAddress returns a host:port of the loopback interface on which no process listens.
//
// The port is below the range of Linux for outgoing connections (32768 and up). While a killed
// process is being restarted, a port of that range could be given to a connection: even to that of a
// client that dials the process, which would then be connected to itself.
func FreeAddress(ctx context.Context) (string, error) {
	const lowest, highest, tries = 12000, 32000, 20
	var err error
	for range tries {
		var l net.Listener
		port := lowest + rand.IntN(highest-lowest) //nolint:gosec // a port is no secret
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if l, err = new(net.ListenConfig).Listen(ctx, "tcp", address); err == nil {
			return address, l.Close()
		}
	}
	return "", fmt.Errorf("find a free port: %w", err)
}
