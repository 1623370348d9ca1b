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

// world is what outlives a service: the database and the gateway.
type world struct {
	t        *testing.T
	began    time.Time
	payments *fake.Payments
	gateway  *fake.Gateway
	mute     bool // nothing is logged

	mu   sync.Mutex
	keys int
}

// inWorld runs a test in virtual time. The first attempts at the gateway go as the script
// says, all others are approved.
func inWorld(t *testing.T, test func(*testing.T, *world), script ...fake.Step) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		test(t, &world{
			t: t, began: time.Now(), payments: fake.NewPayments(), gateway: fake.NewGateway(script...),
		})
	})
}

// newKey mints "key-1", "key-2" and so on.
func (w *world) newKey() payment.GatewayKey {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keys++
	return payment.GatewayKey(fmt.Sprintf("key-%d", w.keys))
}

// since is how long the test has been running, in virtual time.
func (w *world) since() time.Duration { return time.Since(w.began) }

// sleepUntil sleeps until the test has been running for d.
func (w *world) sleepUntil(d time.Duration) {
	time.Sleep(time.Until(w.began.Add(d)))
	synctest.Wait()
}

// stored returns the order's payment as the database has it.
func (w *world) stored() payment.Payment { return w.history().Payment }

func (w *world) history() ports.History {
	w.t.Helper()
	h, err := w.payments.History(w.t.Context(), order)
	require.NoError(w.t, err)
	return h
}

// events are the kinds of what is stored of the order's history.
func (w *world) events() (kinds []payment.EventKind) {
	for _, e := range w.history().Events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// attempts are the times at which the gateway was called for the order.
func (w *world) attempts() (at []time.Duration) {
	for _, a := range w.gateway.Attempts() {
		if a.OrderID == order {
			at = append(at, a.At.Sub(w.began))
		}
	}
	return at
}

// requireOnce checks that the order's money was taken once, and all attempts had one key.
func (w *world) requireOnce() {
	w.t.Helper()
	require.Equal(w.t, 1, w.gateway.Charges(order), "charges")
	require.Len(w.t, w.gateway.Keys(order), 1, "gateway keys")
}

// replica is one service of the world, on a wire of its own.
type replica struct {
	*core.Service

	world *world
	wire  *fake.Wire
	log   *logbook

	endQueue func() // set by runQueue

	mu     sync.Mutex
	faults []*pendingFault
}

// pendingFault happens to calls of one method.
type pendingFault struct {
	method string
	skip   int // calls that go well before
	times  int // calls that it then happens to; below zero for all
	fault  fake.Fault
}

func (w *world) replica(name string, with ...func(*core.Settings)) *replica {
	return w.replicaAt(name, w.gateway, with...)
}

// replicaAt is a replica whose gateway is not the world's own.
func (w *world) replicaAt(name string, gateway ports.Gateway, with ...func(*core.Settings)) *replica {
	settings := core.Settings{
		Replica: name, NewKey: w.newKey,
		Lease: lease, Wait: wait, Late: late, LookupFirst: lookupFirst, LookupMax: lookupMax,
		Workers: 16, Poll: poll, HeartbeatTimeout: heartbeatTimeout,
		GatewayTimeout: gatewayTimeout, MaxBackoff: time.Minute,
	}
	for _, set := range with {
		set(&settings)
	}
	r := &replica{world: w, wire: &fake.Wire{}, log: &logbook{}}
	r.wire.Fault = r.nextFault
	wired := r.wire.Gateway(gateway)
	if _, bare := gateway.(unguarded); !bare {
		wired = resilience.NewGuard(wired, resilience.GuardOptions{Timeout: gatewayTimeout, MaxConcurrent: 10_000})
	}
	retry := resilience.NewRetry(resilience.RetryOptions{MaxRetries: 3, Delay: time.Second})
	log := slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if w.mute {
		log = slog.New(slog.DiscardHandler)
	}
	r.Service = core.New(settings, r.wire.Payments(w.payments), wired, retry, log)
	return r
}

// fault lets the n-th call of a method from now on, n from 1, meet a fault.
func (r *replica) fault(method string, n int, f fake.Fault) { r.add(method, n-1, 1, f) }

// always lets all calls of a method from now on meet a fault.
func (r *replica) always(method string, f fake.Fault) { r.add(method, 0, -1, f) }

func (r *replica) add(method string, skip, times int, f fake.Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, &pendingFault{method, skip, times, f})
}

// heal ends all faults.
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

// cutOff takes the database away from this replica, until it heals.
func (r *replica) cutOff() {
	for _, method := range []string{
		"Claim", "ClaimDue", "NextDue", "Renew", "Settle", "RecordLookup", "RecordApproval", "Resolve", "Find", "History", "List",
		"Heartbeat", "Heartbeats", "Release", "Leave", "Ready", "TryWrite", "Transactions",
	} {
		r.always(method, fake.FailBefore)
	}
}

// exit ends the goroutine at hand, as when its process dies.
func exit() { runtime.Goexit() }

// calls counts this replica's calls of the given methods.
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

// queue runs the replica's queue until the test is over.
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

// unguarded is a gateway whose panics no guard has caught.
type unguarded struct{ ports.Gateway }

// reply is what a client was told, and how long it took.
type reply struct {
	core.Answer

	err  error
	took time.Duration
}

// pay asks for the order as a client that stays, and returns its reply.
func (r *replica) pay(with ...func(*core.Request)) reply { return <-r.send(with...) }

// send asks for the order as a client that stays, and returns when the service is at it.
func (r *replica) send(with ...func(*core.Request)) <-chan reply {
	return r.sendFor(context.Background(), with...)
}

// sendFor asks for the order until ctx ends.
func (r *replica) sendFor(ctx context.Context, with ...func(*core.Request)) <-chan reply {
	told := r.start(ctx, with...)
	synctest.Wait()
	return told
}

// crowd sends n requests at once, and returns all replies.
func (r *replica) crowd(n int, with ...func(*core.Request)) (all []<-chan reply) {
	for range n {
		all = append(all, r.start(context.Background(), with...))
	}
	return all
}

// start sends a request. The channel is closed without a reply when the service panics or
// its worker dies.
func (r *replica) start(ctx context.Context, with ...func(*core.Request)) <-chan reply {
	request := core.Request{OrderID: order, Money: money("100.00", "USD")}
	for _, set := range with {
		set(&request)
	}
	told := make(chan reply, 1)
	go func() {
		defer close(told)
		defer func() { _ = recover() }()
		began := time.Now()
		a, err := r.Process(ctx, request)
		told <- reply{a, err, time.Since(began)}
	}()
	return told
}

func waiting(d time.Duration) func(*core.Request) {
	return func(r *core.Request) { r.Wait = &d }
}

func async(r *core.Request) { r.Async = true }

func amount(decimal, currency string) func(*core.Request) {
	return func(r *core.Request) { r.Money = money(decimal, currency) }
}

func of(id payment.OrderID) func(*core.Request) {
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

// seconds are durations as the tests write them.
func seconds(s ...float64) (d []time.Duration) {
	for _, s := range s {
		d = append(d, time.Duration(s*float64(time.Second)))
	}
	return d
}

// logbook keeps what a service has logged.
type logbook struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (b *logbook) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lines.Write(line)
}

// requireLine checks that one line at least holds all the words.
func (b *logbook) requireLine(t *testing.T, words ...string) {
	t.Helper()
	require.NotEmptyf(t, b.linesWith(words), "no line with all of %q", words)
}

func (b *logbook) requireNoLine(t *testing.T, words ...string) {
	t.Helper()
	require.Empty(t, b.linesWith(words))
}

func (b *logbook) linesWith(words []string) (found []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for line := range strings.Lines(b.lines.String()) {
		if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) }) {
			found = append(found, line)
		}
	}
	return found
}
