package core_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/adapters/resilience"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

const (
	lease            = 30 * time.Second
	wait             = 10 * time.Second
	late             = time.Minute
	lookupFirst      = 5 * time.Second
	lookupMax        = 15 * time.Minute
	poll             = time.Second
	heartbeatTimeout = 5 * time.Second
	gatewayTimeout   = 10 * time.Second

	order = payment.OrderID("order-123")
)

// world is the database and the gateway of a test, which outlive its replicas.
type world struct {
	t        *testing.T
	began    time.Time
	payments *fake.Payments
	gateway  *fake.Gateway
	quiet    bool // nothing is logged

	mu   sync.Mutex
	keys int
}

// inWorld runs a test in virtual time. The script has the results of the first attempts at the
// gateway; all others are approved.
func inWorld(t *testing.T, test func(*testing.T, *world), script ...fake.Step) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		test(t, &world{
			t: t, began: time.Now(), payments: fake.NewPayments(), gateway: fake.NewGateway(script...),
		})
	})
}

// newKey returns "key-1", "key-2" and so on.
func (w *world) newKey() payment.GatewayKey {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keys++
	return payment.GatewayKey(fmt.Sprintf("key-%d", w.keys))
}

// since returns how long the test has been running, in virtual time.
func (w *world) since() time.Duration { return time.Since(w.began) }

// sleepUntil sleeps until the test has been running for d.
func (w *world) sleepUntil(d time.Duration) {
	time.Sleep(time.Until(w.began.Add(d)))
	synctest.Wait()
}

// stored returns the order's stored payment.
func (w *world) stored() payment.Payment { return w.history().Payment }

func (w *world) history() ports.History {
	w.t.Helper()
	h, err := w.payments.History(w.t.Context(), order)
	require.NoError(w.t, err)
	return h
}

// events returns the kinds of the order's stored events.
func (w *world) events() (kinds []payment.EventKind) {
	for _, e := range w.history().Events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// attempts returns the times at which the gateway was asked to charge the order.
func (w *world) attempts() (at []time.Duration) {
	for _, a := range w.gateway.Attempts() {
		if a.OrderID == order {
			at = append(at, a.At.Sub(w.began))
		}
	}
	return at
}

// requireOnce checks that the order was charged once, and that all attempts had the same key.
func (w *world) requireOnce() {
	w.t.Helper()
	require.Equal(w.t, 1, w.gateway.Charges(order), "charges")
	require.Len(w.t, w.gateway.Keys(order), 1, "gateway keys")
}

// replica is one service of the world, with a wire that injects its faults.
type replica struct {
	*core.Service

	world *world
	wire  *fake.Wire
	log   *logBuffer

	endQueue func() // set by runQueue

	mu     sync.Mutex
	faults []*pendingFault
}

// pendingFault is a fault of calls of one method.
type pendingFault struct {
	method string
	skip   int // calls without a fault before
	times  int // calls with the fault; negative for all
	fault  fake.Fault
}

// replica starts a replica with the world's gateway.
func (w *world) replica(name string, with ...func(*core.Settings)) *replica {
	return w.replicaAt(name, w.gateway, with...)
}

// replicaAt starts a replica with another gateway than the world's.
func (w *world) replicaAt(name string, gateway ports.Gateway, with ...func(*core.Settings)) *replica {
	return w.start(name, func(r *replica) core.Gateways {
		guard, retry := r.guard(gateway)
		return core.OneGateway(guard, retry)
	}, with...)
}

// replicaOver starts a replica with several gateways, which every payment tries in this order.
func (w *world) replicaOver(name string, gateways []ports.Gateway, with ...func(*core.Settings)) *replica {
	return w.start(name, func(r *replica) core.Gateways {
		var all []core.Gateway
		var known []payment.RouteGateway
		var route payment.Route
		for _, g := range gateways {
			guard, retry := r.guard(g)
			breaker, _ := guard.(core.Breaker)
			all = append(all, core.Gateway{Gateway: guard, Retry: retry, Breaker: breaker})
			c := g.Capabilities()
			known = append(known, payment.RouteGateway{ID: c.Gateway, NeedsMethod: c.NeedsMethod})
			route.Use = append(route.Use, c.Gateway)
		}
		routes, err := payment.NewRoutes(known, []payment.Route{route})
		require.NoError(w.t, err)
		return core.NewGateways(all, routes)
	}, with...)
}

// guard returns the gateway as the replica sees it, with the wire's faults, and its retry policy.
func (r *replica) guard(gateway ports.Gateway) (ports.Gateway, ports.Retry) {
	retry := resilience.NewRetry(resilience.RetryOptions{MaxRetries: 3, Delay: time.Second})
	wired := r.wire.Gateway(gateway)
	if _, bare := gateway.(unguarded); bare {
		return wired, retry
	}
	return resilience.NewGuard(wired, resilience.GuardOptions{Timeout: gatewayTimeout, MaxConcurrent: 10_000}), retry
}

func (w *world) start(
	name string, gateways func(*replica) core.Gateways, with ...func(*core.Settings),
) *replica {
	settings := core.Settings{
		Replica: name, NewKey: w.newKey,
		Lease: lease, Wait: wait, Late: late, LookupFirst: lookupFirst, LookupMax: lookupMax,
		Workers: 16, Poll: poll, HeartbeatTimeout: heartbeatTimeout,
		GatewayTimeout: gatewayTimeout, MaxBackoff: time.Minute,
	}
	for _, set := range with {
		set(&settings)
	}
	r := &replica{world: w, wire: &fake.Wire{}, log: &logBuffer{}}
	r.wire.Fault = r.nextFault
	log := slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if w.quiet {
		log = slog.New(slog.DiscardHandler)
	}
	r.Service = core.New(settings, r.wire.Payments(w.payments), gateways(r), log)
	return r
}

// fault injects a fault at the n-th call of a method from now on, counted from 1.
func (r *replica) fault(method string, n int, f fake.Fault) { r.add(method, n-1, 1, f) }

// always injects a fault at all calls of a method from now on.
func (r *replica) always(method string, f fake.Fault) { r.add(method, 0, -1, f) }

func (r *replica) add(method string, skip, times int, f fake.Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, &pendingFault{method, skip, times, f})
}

// heal removes all faults.
func (r *replica) heal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = nil
}

func (r *replica) nextFault(c fake.Call) fake.Fault {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.faults {
		switch {
		case f.method != c.Method || f.times == 0:
		case f.skip > 0:
			f.skip--
		default:
			f.times--
			return f.fault
		}
	}
	return nil
}

// partition makes the database unavailable to this replica, until heal is called.
func (r *replica) partition() {
	for _, method := range []string{
		"Claim", "ClaimDue", "NextDue", "Renew", "Settle", "RecordLookup", "RecordApproval", "Resolve", "Find", "History", "List",
		"Heartbeat", "Heartbeats", "Release", "Leave", "Ready", "TryWrite", "Transactions",
	} {
		r.always(method, fake.FailBefore)
	}
}

// exit ends the calling goroutine, as a crash of its process would.
func exit() { runtime.Goexit() }

// calls counts this replica's calls of the methods.
func (r *replica) calls(methods ...string) (n int) {
	for _, c := range r.wire.Calls() {
		for _, m := range methods {
			if c.Method == m {
				n++
			}
		}
	}
	return n
}

// queue runs the replica's queue until the test ends.
func (r *replica) queue() {
	r.runQueue()
	r.world.t.Cleanup(r.endQueue)
}

// runQueue runs the replica's queue until endQueue is called.
func (r *replica) runQueue() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.RunQueue(ctx)
	}()
	r.endQueue = func() {
		cancel()
		<-done
	}
}

// unguarded is a gateway that replicas use without a [resilience.Guard]: no timeout, breaker or recover.
type unguarded struct{ ports.Gateway }

// reply is what Process returned to a client, and how long it took.
type reply struct {
	core.Answer

	err  error
	took time.Duration
}

// pay sends a request of a client that does not leave, and returns the reply.
func (r *replica) pay(with ...func(*core.Request)) reply { return <-r.send(with...) }

// send sends a request of a client that does not leave, and returns once the service is waiting for
// something.
func (r *replica) send(with ...func(*core.Request)) <-chan reply {
	return r.sendFor(context.Background(), with...)
}

// sendFor sends a request of a client that leaves when ctx ends.
func (r *replica) sendFor(ctx context.Context, with ...func(*core.Request)) <-chan reply {
	got := r.start(ctx, with...)
	synctest.Wait()
	return got
}

// sendMany sends n concurrent requests.
func (r *replica) sendMany(n int, with ...func(*core.Request)) (all []<-chan reply) {
	for range n {
		all = append(all, r.start(context.Background(), with...))
	}
	return all
}

// start sends a request. The channel is closed without a reply if the service panics or its worker
// crashes.
func (r *replica) start(ctx context.Context, with ...func(*core.Request)) <-chan reply {
	request := core.Request{OrderID: order, Money: money("100.00", "USD")}
	for _, set := range with {
		set(&request)
	}
	got := make(chan reply, 1)
	go func() {
		defer close(got)
		defer func() { _ = recover() }()
		began := time.Now()
		a, err := r.Process(ctx, request)
		got <- reply{a, err, time.Since(began)}
	}()
	return got
}

func withWait(d time.Duration) func(*core.Request) {
	return func(r *core.Request) { r.Wait = &d }
}

func async(r *core.Request) { r.Async = true }

func withAmount(decimal, currency string) func(*core.Request) {
	return func(r *core.Request) { r.Money = money(decimal, currency) }
}

func forOrder(id payment.OrderID) func(*core.Request) {
	return func(r *core.Request) { r.OrderID = id }
}

func money(decimal, currency string) payment.Money {
	c, err := payment.ParseCurrency(currency)
	if err != nil {
		panic(err)
	}
	m, err := payment.ParseMoney(decimal, c)
	if err != nil {
		panic(err)
	}
	return m
}

func four(s fake.Step) []fake.Step { return []fake.Step{s, s, s, s} }

// seconds converts seconds to durations.
func seconds(s ...float64) (d []time.Duration) {
	for _, s := range s {
		d = append(d, time.Duration(s*float64(time.Second)))
	}
	return d
}

// logBuffer keeps the log lines of a service.
type logBuffer struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (b *logBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lines.Write(line)
}

// requireLine checks that at least one line contains all words.
func (b *logBuffer) requireLine(t *testing.T, words ...string) {
	t.Helper()
	require.NotEmptyf(t, b.linesWith(words), "no line with all of %q", words)
}

// requireNoLine checks that no line contains all words.
func (b *logBuffer) requireNoLine(t *testing.T, words ...string) {
	t.Helper()
	require.Empty(t, b.linesWith(words))
}

func (b *logBuffer) linesWith(words []string) (found []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for line := range strings.Lines(b.lines.String()) {
		if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) }) {
			found = append(found, line)
		}
	}
	return found
}
