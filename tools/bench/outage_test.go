package bench

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/sandbox"
	"paymentd/app/apptest"
	"paymentd/app/apptest/process"
)

var outageFor = flag.Duration("outage", 0, "how long the first gateway refuses every connection in TestOutage; 0 to skip the test")

const (
	outageBefore = 10 * time.Second // of load before the outage, for comparison
	outageAfter  = 15 * time.Second // of load after it: longer than the recovery may take
	outageRate   = 200              // requests per second, for both routes together
	// maxUnanswered bounds the requests in flight. A request beyond it is not made, and fails the test.
	maxUnanswered = 4000
)

// The routes of the outage: the first gateway of one of them refuses, and the other does not use it.
const (
	routeOutage = "EUR: first, second"
	routeOther  = "USD: other"
)

// TestOutage pays over two routes in an open loop, while the first gateway of one of them refuses every connection:
// `make bench/outage`. It prints what the clients got in each second, and fails unless the claims of [outage.check]
// hold.
//
//nolint:paralleltest // it measures
func TestOutage(t *testing.T) {
	if *outageFor == 0 {
		t.Skip("-outage is not given")
	}
	folder := t.TempDir()
	apptest.Certify(t, folder, time.Now().Add(24*time.Hour))
	first, second, other := startRefuser(t, folder), startRefuser(t, folder), startRefuser(t, folder)
	replica := startRouted(t, folder, first, second, other)
	o := &outage{start: time.Now(), before: outageBefore, lasts: *outageFor}
	time.AfterFunc(o.before, func() { first.refuse() })
	time.AfterFunc(o.before+o.lasts, func() {
		o.recoveryBegan.Store(new(time.Now()))
		first.accept(t)
	})
	fmt.Printf("%d requests/s over two routes. From second %.0f on, the gateway \"first\" refuses every connection for %v.\n"+
		"ok: 200. later: 202, which the service settles by itself. p50 and p99: milliseconds since a request was due.\n\n", outageRate, o.before.Seconds(), o.lasts)
	o.run(t.Context(), replica.URL, o.before+o.lasts+outageAfter)
	if began := o.recoveryBegan.Load(); began != nil {
		o.recovery = first.firstSince(*began)
	}
	settled := waitSettled(t, replica)
	o.charges = chargesOf(t, first, second, other)
	fmt.Print(o.report())
	fmt.Printf("\nThe first gateway was used again %v after it accepted connections. Every payment was final %v after the last request.\n",
		o.recovery.Round(time.Millisecond), settled.Round(time.Millisecond))
	for _, violation := range o.check() {
		t.Error(violation)
	}
	if !t.Failed() {
		fmt.Println("Every claim holds.")
	}
	require.Zero(t, replica.Stop(t))
}

// startRouted starts a service with two routes: euros over the first and the second gateway, and all else over the
// other.
func startRouted(t *testing.T, folder string, first, second, other *refuser) *apptest.Process {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gateways.yaml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `gateways:
- {name: first, kind: http, url: %[1]q, ca_file: %[4]q}
- {name: second, kind: http, url: %[2]q, ca_file: %[4]q}
- {name: other, kind: http, url: %[3]q, ca_file: %[4]q}
routes:
- {currency: EUR, use: [first, second]}
- {use: other}
`, first.url(), second.url(), other.url(), filepath.Join(folder, process.AuthorityFile)), 0o600))
	p := apptest.Start(t, apptest.Build(t), map[string]string{
		"PAYMENTD_GATEWAYS_FILE": file, "PAYMENTD_DATABASE": "sqlite:payments.db", "PAYMENTD_LOG_LEVEL": "warn",
		"PAYMENTD_LIMIT_PER_KEY": unlimited, "PAYMENTD_LIMIT_PER_ADDRESS": unlimited,
	}, "serve")
	p.WaitReady(t)
	return p
}

// waitSettled waits until no payment is open, and returns how long that took.
func waitSettled(t *testing.T, replica *apptest.Process) time.Duration {
	t.Helper()
	began := time.Now()
	apptest.Eventually(t, 3*time.Minute, func() error {
		for _, state := range []string{"processing", "scheduled", "unresolved"} {
			a := apptest.Get(t.Context(), replica.URL, "/payments?limit=1&state="+state)
			if a.Code != http.StatusOK || strings.Contains(a.Raw, "order_id") {
				return fmt.Errorf("there are %s payments: %v", state, a)
			}
		}
		return nil
	})
	return time.Since(began)
}

// run makes the requests, each at its time and whether or not earlier ones have an answer.
func (o *outage) run(ctx context.Context, base string, lasts time.Duration) {
	var all sync.WaitGroup
	unanswered := make(chan struct{}, maxUnanswered)
	for i := range int(lasts.Seconds() * outageRate) {
		due := o.start.Add(time.Duration(i) * time.Second / outageRate)
		_ = sleep(ctx, time.Until(due))
		route, currency := routeOutage, "EUR"
		if i%2 == 1 {
			route, currency = routeOther, "USD"
		}
		order := fmt.Sprintf("%s-%06d", strings.ToLower(currency), i)
		select {
		case unanswered <- struct{}{}:
		default:
			o.add(answer{route: route, order: order, at: due})
			continue
		}
		all.Go(func() {
			a := apptest.Post(ctx, base, fmt.Sprintf(`{"order_id":%q,"amount":"10.00","currency":%q}`, order, currency))
			<-unanswered
			// From the time at which it was due, so that a request that begins late counts as slow.
			o.add(answer{route: route, order: order, at: due, code: a.Code, took: time.Since(due)})
		})
	}
	all.Wait()
}

// refuser is a gateway over TLS that can refuse every connection.
type refuser struct {
	gateway *sandbox.Gateway
	tls     *tls.Config
	addr    string

	mu     sync.Mutex
	server *http.Server

	// firstCall is the time of the first charge since the gateway last accepted connections.
	firstCall atomic.Pointer[time.Time]
}

func startRefuser(t *testing.T, folder string) *refuser {
	t.Helper()
	g, err := sandbox.Open(filepath.Join(t.TempDir(), "ledger"), sandbox.WithLog(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	pair, err := tls.LoadX509KeyPair(filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key"))
	require.NoError(t, err)
	r := &refuser{
		gateway: g, addr: apptest.FreeAddress(t),
		tls: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}},
	}
	r.accept(t)
	t.Cleanup(func() {
		r.refuse()
		require.NoError(t, g.Close())
	})
	return r
}

func (r *refuser) url() string { return "https://" + r.addr }

// accept makes the gateway accept connections.
func (r *refuser) accept(t *testing.T) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", r.addr)
	if err != nil {
		t.Errorf("the gateway cannot listen again: %v", err)
		return
	}
	server := sandbox.NewServer(r.gateway)
	handler := server.Handler
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if request.Method == http.MethodPost {
			r.firstCall.CompareAndSwap(nil, new(time.Now()))
		}
		handler.ServeHTTP(w, request)
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.firstCall.Store(nil)
	r.server = server
	go func() { _ = server.Serve(tls.NewListener(listener, r.tls)) }()
}

// refuse closes the port and every connection.
func (r *refuser) refuse() {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.server.Close()
}

// firstSince returns how long after the time the first charge arrived; -1 if none did.
func (r *refuser) firstSince(from time.Time) time.Duration {
	if at := r.firstCall.Load(); at != nil {
		return at.Sub(from)
	}
	return -1
}

// chargesOf returns how often each order was charged, at all gateways together.
func chargesOf(t *testing.T, all ...*refuser) map[string]int {
	t.Helper()
	charges := make(map[string]int)
	for _, r := range all {
		ledger := apptest.Get(t.Context(), r.url(), "/ledger")
		require.Equal(t, http.StatusOK, ledger.Code, ledger)
		for lines := bufio.NewScanner(strings.NewReader(ledger.Raw)); lines.Scan(); {
			var line struct {
				OrderID       string `json:"order_id"`
				TransactionID string `json:"transaction_id"`
			}
			require.NoError(t, json.Unmarshal(lines.Bytes(), &line))
			if line.TransactionID != "" {
				charges[line.OrderID]++
			}
		}
	}
	return charges
}
