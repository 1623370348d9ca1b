package natssink_test

import (
	"context"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/natssink"
	"paymentd/core/endpoint"
	"paymentd/internal/egress"
	"paymentd/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// silent is a listener that accepts connections and sends nothing.
func silent(t *testing.T) (port string, connections *atomic.Int64) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var accepted atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		var open []net.Conn
		for {
			conn, err := listener.Accept()
			if err != nil {
				break
			}
			accepted.Add(1)
			open = append(open, conn)
		}
		for _, conn := range open {
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = listener.Close(); <-done })
	address := listener.Addr().String()
	return address[strings.LastIndex(address, ":"):], &accepted
}

func send(t *testing.T, allow egress.Hosts, address string, timeout time.Duration) endpoint.Answer {
	t.Helper()
	s := natssink.New(natssink.Options{Timeout: 5 * time.Second, Allow: allow})
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	return s.Send(ctx, endpoint.New(address, endpoint.Patterns{"*"}), endpoint.Delivery{Event: "evt_1", Type: "payment.succeeded", Payload: []byte("{}")})
}

func TestSend_RefusedAddressesGetNoConnection(t *testing.T) {
	t.Parallel()
	port, connections := silent(t)
	for address, problem := range map[string]string{
		"tls://127.0.0.1" + port + "/payments":            "is not public",
		"tls://localhost" + port + "/payments":            "is not public",
		"tls://[::ffff:127.0.0.1]" + port + "/payments":   "is not public",
		"nats://127.0.0.1" + port + "/payments":           "must begin with https:// or tls://",
		"nats://shop.example" + port + "/payments":        "must begin with https:// or tls://",
		"tls://169.254.169.254" + port + "/shop.payments": "is not public",
	} {
		require.Contains(t, send(t, nil, address, 5*time.Second).Problem, problem, address)
	}
	require.Zero(t, connections.Load())
}

// The reason is that of the dial, and not that no server is available.
func TestSend_Unreachable(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	answer := send(t, egress.Hosts{"127.0.0.1"}, "nats://"+address+"/payments", 5*time.Second)
	require.Contains(t, answer.Problem, "connection refused")
}

// A server that accepts the connection and sends nothing holds up an attempt for no longer than its context.
func TestSend_SilentServerIsBounded(t *testing.T) {
	t.Parallel()
	port, connections := silent(t)
	began := time.Now()
	answer := send(t, egress.Hosts{"127.0.0.1"}, "nats://127.0.0.1"+port+"/payments", 200*time.Millisecond)
	require.Zero(t, answer.Status)
	require.NotEmpty(t, answer.Problem)
	require.Less(t, time.Since(began), 3*time.Second)
	require.EqualValues(t, 1, connections.Load())
}

func TestSubject(t *testing.T) {
	t.Parallel()
	u, err := url.Parse("tls://nats.example:4222/shop.payments")
	require.NoError(t, err)
	require.Equal(t, "shop.payments.refund.failed", natssink.Subject(u, "refund.failed"))
}
