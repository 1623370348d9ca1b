package vendors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/adapters/resilience"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

// late is PAYMENTD_LATE.
const late = 5 * time.Second

// world is the database and the gateways of one run, which outlive its replicas.
type world struct {
	t        *testing.T
	began    time.Time
	payments *fake.Payments
	hosts    []*host
	bug      *bug

	// faultOfCall and faultOfRequest return the fault of a call of the database and of a request; nil for none.
	faultOfCall    func(*replica, fake.Call) fake.Fault
	faultOfRequest func(*replica, *host, *http.Request) requestFault

	mu       sync.Mutex
	keys     []payment.GatewayKey
	replicas int
	replies  []reply
	asked    map[payment.Ref]int // requests so far
	pending  map[payment.Ref]int // requests that a replica is at
	log      strings.Builder
}

// reply is an answer to a client.
type reply struct {
	core.Answer
	err error
	// asked is how many requests there were for the operation until then, and pending how many were not answered: each
	// may begin a new round after a decline.
	asked, pending int
}

// begin counts a request, and returns the function that counts its answer.
func (w *world) begin(ref payment.Ref) (end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked[ref]++
	w.pending[ref]++
	return sync.OnceFunc(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.pending[ref]--
	})
}

// errCrashed is what a worker that has crashed gets from a call; its next call ends it.
var errCrashed = ports.ErrUnavailable

// newWorld starts the gateways. folder is for the ledger of a sandbox.
func newWorld(t *testing.T, folder string, of ...kind) *world {
	t.Helper()
	w := &world{t: t, began: time.Now(), payments: fake.NewPayments(), asked: make(map[payment.Ref]int), pending: make(map[payment.Ref]int)}
	for i, k := range of {
		name := payment.GatewayID(fmt.Sprintf("%s-%d", k, i+1))
		if k == kindSquare {
			name = "square:LFAKE:sandbox"
		}
		w.hosts = append(w.hosts, newHost(w, name, newVendor(t, k, filepath.Join(folder, strconv.Itoa(i)))))
	}
	return w
}

// close ends the gateways, and waits until the last goroutine of a dead replica has seen that it is dead.
func (w *world) close() {
	for _, h := range w.hosts {
		_ = h.server.Close()
	}
	time.Sleep(10 * time.Minute)
	for _, h := range w.hosts {
		require.NoError(w.t, h.close())
	}
}

func (w *world) newKey() payment.GatewayKey {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keys = append(w.keys, payment.GatewayKey(fmt.Sprintf("key-%d", len(w.keys)+1)))
	return w.keys[len(w.keys)-1]
}

func (w *world) allKeys() []payment.GatewayKey {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.keys)
}

// note adds a line to the events of the run, which are printed if a check fails.
func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fmt.Fprintf(&w.log, "%8s "+format+"\n", append([]any{time.Since(w.began).Round(time.Millisecond)}, args...)...)
}

// story returns the events that were noted.
func (w *world) story() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

// answered returns the replies so far.
func (w *world) answered() []reply {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.replies)
}

// decidePending lets the gateways decide what is pending for long enough.
func (w *world) decidePending(order payment.OrderID) {
	all, err := w.payments.History(context.Background(), order)
	if err != nil {
		return
	}
	for _, one := range append(slices.Clone(all.Operations), all) {
		p := one.Payment
		if p.State != payment.StatePending || time.Since(p.CreatedAt) < decides {
			continue
		}
		for _, h := range w.hosts {
			if p.Operation.IsCharge() {
				h.decide(p.GatewayKey, behaviourOf(p.Method).approve)
			} else {
				h.giveBack(p.GatewayKey)
			}
		}
	}
}

// replica is one process of the service.
type replica struct {
	*core.Service

	name  string
	world *world
	dead  atomic.Bool
	gone  chan struct{} // closed when it crashes or is paused
	leave once
	open  []interface{ Close() }
	quit  context.CancelFunc // ends its queue; nil while none runs
}

func (w *world) start() *replica {
	w.mu.Lock()
	w.replicas++
	r := &replica{name: fmt.Sprintf("replica-%d", w.replicas), world: w, gone: make(chan struct{})}
	w.mu.Unlock()
	settings := core.Settings{
		Replica: r.name, NewKey: w.newKey, Lease: 3 * time.Second, Wait: time.Second, Late: late,
		LookupFirst: time.Second, LookupMax: 4 * time.Second, Workers: 16, Poll: time.Second,
		HeartbeatTimeout: 2500 * time.Millisecond, GatewayTimeout: gatewayTimeout, MaxBackoff: time.Minute,
		PendingTimeout: 10 * time.Second,
	}
	wire := &fake.Wire{Fault: func(c fake.Call) fake.Fault {
		if r.crashed() {
			return fake.CrashBefore(runtime.Goexit)
		}
		return w.faultOfCall(r, c)
	}}
	r.Service = core.New(settings, wire.Payments(w.payments), r.gateways(), slog.New(slog.DiscardHandler))
	return r
}

// gateways opens the adapters of the replica. A payment tries them in the order of the hosts.
func (r *replica) gateways() core.Gateways {
	var all []core.Gateway
	var known []payment.RouteGateway
	var route payment.Route
	for _, h := range r.world.hosts {
		opened, err := h.open(string(h.name), h.dial(r))
		require.NoError(r.world.t, err)
		if closer, ok := opened.(interface{ Close() }); ok {
			r.open = append(r.open, closer)
		}
		var gateway ports.Gateway = translated{opened}
		if r.world.bug != nil {
			gateway = r.world.bug.plant(gateway)
		}
		guard := resilience.NewGuard(gateway, resilience.GuardOptions{Timeout: gatewayTimeout, MaxConcurrent: 64})
		retry := resilience.NewRetry(resilience.RetryOptions{MaxRetries: 3, Delay: time.Second})
		all = append(all, core.Gateway{Gateway: guard, Retry: retry, Breaker: guard})
		c := gateway.Capabilities()
		known = append(known, payment.RouteGateway{ID: c.Gateway, NeedsMethod: c.NeedsMethod})
		route.Use = append(route.Use, c.Gateway)
	}
	routes, err := payment.NewRoutes(known, []payment.Route{route})
	require.NoError(r.world.t, err)
	return core.NewGateways(all, routes)
}

// translated sends each vendor its own payment method.
type translated struct{ ports.Gateway }

func (g translated) Charge(ctx context.Context, c payment.Charge) payment.Result {
	if c.Method != "" {
		b := behaviourOf(c.Method)
		switch k, _, _ := strings.Cut(string(g.Capabilities().Gateway), ":"); {
		case strings.HasPrefix(k, string(kindStripe)):
			c.Method = b.stripe
		case strings.HasPrefix(k, string(kindSquare)):
			c.Method = b.square
		}
	}
	return g.Gateway.Charge(ctx, c)
}

// runQueue runs the queue until the replica is stopped.
func (r *replica) runQueue() {
	if r.quit != nil {
		return
	}
	ctx, quit := context.WithCancel(context.Background())
	r.quit = quit
	go r.RunQueue(ctx)
}

// stop ends the queue, and closes the idle connections.
func (r *replica) stop() {
	if r.quit != nil {
		r.quit()
	}
	for _, o := range r.open {
		o.Close()
	}
}

func (r *replica) crashed() bool { return r.dead.Load() }

// crash ends the process: no call of it gets through a port any more.
func (r *replica) crash() {
	r.dead.Store(true)
	r.deactivate()
}

// deactivate lets another replica go on.
func (r *replica) deactivate() {
	if r.leave.first() {
		r.world.note("%s crashes or is paused", r.name)
		close(r.gone)
	}
}

func (r *replica) inactive() bool {
	select {
	case <-r.gone:
		return true
	default:
		return false
	}
}

// ask sends a request, and returns when there is an answer or the replica is inactive. An answer of an inactive
// replica is not one that a client gets.
func (r *replica) ask(q core.Request) (reply, bool) {
	do := map[payment.Kind]func(context.Context, core.Request) (core.Answer, error){
		payment.KindCharge: r.Process, payment.KindRefund: r.Refund, payment.KindCapture: r.Capture, payment.KindVoid: r.Void,
	}[q.Operation.Kind]
	got, ref := make(chan reply, 1), payment.Ref{OrderID: q.OrderID, Operation: q.Operation}
	end := r.world.begin(ref)
	go func() {
		defer end()
		a, err := do(context.Background(), q)
		end()
		got <- reply{Answer: a, err: err}
	}()
	select {
	case answer := <-got:
		if r.inactive() {
			return reply{}, false
		}
		r.world.note("%s: %s %s of %s gets %s %s %v", r.name, q.Operation.Kind, q.Operation.Name, q.OrderID, answer.State, answer.TransactionID, answer.err)
		r.world.mu.Lock()
		defer r.world.mu.Unlock()
		answer.OrderID, answer.Operation = q.OrderID, q.Operation
		answer.asked, answer.pending = r.world.asked[ref], r.world.pending[ref]
		r.world.replies = append(r.world.replies, answer)
		return answer, true
	case <-r.gone:
		return reply{}, false
	}
}

// over reports whether a client has no reason to repeat the request.
func (a reply) over() bool {
	if a.err == nil {
		return ended(a.State)
	}
	return errors.As(a.err, new(*payment.OperationRefusedError)) || errors.Is(a.err, core.ErrMismatch) ||
		errors.Is(a.err, core.ErrVoided) || errors.Is(a.err, ports.ErrNotFound)
}

// ended reports whether nothing happens in this state unless a client asks for it.
func ended(s payment.State) bool { return s.Final() || s == payment.StateAuthorized }

// final reports whether everything of an order is final and all its keys are closed, and nothing is on its way.
func (w *world) final(order payment.OrderID) bool {
	for _, h := range w.hosts {
		if h.late.Load() > 0 {
			return false
		}
	}
	h, err := w.payments.History(context.Background(), order)
	if err != nil {
		return errors.Is(err, ports.ErrNotFound)
	}
	for _, one := range append(slices.Clone(h.Operations), h) {
		if !ended(one.Payment.State) || slices.ContainsFunc(one.Keys, func(k payment.Key) bool { return !k.DueAt.IsZero() }) {
			return false
		}
	}
	return true
}
