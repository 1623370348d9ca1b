package vendors

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
)

var everyFlag = flag.Bool("every", false, "inject every fault, and one in ten pairs of faults, instead of a sample")

const order = payment.OrderID("order-1")

// scenario is what clients ask for of one order, one after the other, and what the gateways do.
type scenario struct {
	name     string
	gateways []kind // in the order in which the payment tries them
	does     behaviour
	asks     []core.Request
	// refuses: the first gateway refuses connections.
	refuses bool
	ends    payment.State // of the payment without a fault
}

func pay(b behaviour) core.Request {
	return core.Request{OrderID: order, Money: usd(b.amount), Method: b.token()}
}

func hold() core.Request {
	q := pay(approves)
	q.Capture = payment.CaptureManual
	return q
}

func operation(k payment.Kind, name, amount string) core.Request {
	q := core.Request{OrderID: order, Operation: payment.OperationID{Kind: k, Name: name}, Note: "simulated"}
	if amount != "" {
		q.Money = usd(amount)
	}
	return q
}

func refund(name, amount string) core.Request { return operation(payment.KindRefund, name, amount) }

// scenarios are those of each kind of gateway alone, and of two with failover.
func scenarios() (all []scenario) {
	for _, k := range kinds {
		one := func(name string, b behaviour, ends payment.State, asks ...core.Request) {
			all = append(all, scenario{name: string(k) + ", " + name, gateways: []kind{k}, does: b, asks: asks, ends: ends})
		}
		for b, ends := range map[*behaviour]payment.State{
			&approves: payment.StateSucceeded, &declines: payment.StateDeclined,
			&approvesLater: payment.StateSucceeded, &declinesLater: payment.StateDeclined,
		} {
			one(b.name, *b, ends, pay(*b))
		}
		one("held, captured, refunded", approves, payment.StateSucceeded,
			hold(), operation(payment.KindCapture, "", "60.00"), refund("r-1", "25.00"), refund("r-2", "50.00"))
		one("held, voided", approves, payment.StateVoided, hold(), operation(payment.KindVoid, "", ""))
		one("paid, refunded", approves, payment.StateSucceeded, pay(approves), refund("r-1", "25.00"), refund("r-2", "75.00"))
	}
	for _, route := range [][]kind{
		{kindStripe, kindSquare}, {kindSquare, kindHTTP}, {kindHTTP, kindStripe}, {kindStripe, kindStripe},
	} {
		for _, refuses := range []bool{true, false} {
			name := fmt.Sprintf("%s before %s", route[0], route[1])
			if refuses {
				name += ", which refuses"
			}
			all = append(all, scenario{
				name: name, gateways: route, does: approves, ends: payment.StateSucceeded, refuses: refuses,
				asks: []core.Request{pay(approves), refund("r-1", "25.00")},
			})
		}
	}
	slices.SortFunc(all, func(a, b scenario) int { return strings.Compare(a.name, b.name) })
	return all
}

// callFaults are those of a write to the database.
var callFaults = []struct {
	name  string
	fault func(*replica) fake.Fault
}{
	{"crash before the call", func(r *replica) fake.Fault {
		return func(context.Context, fake.Call, func()) error { r.crash(); return errCrashed }
	}},
	{"crash, the call done", func(r *replica) fake.Fault {
		return func(_ context.Context, _ fake.Call, do func()) error { do(); r.crash(); return errCrashed }
	}},
	{"pause before the call", func(r *replica) fake.Fault {
		return func(ctx context.Context, c fake.Call, do func()) error {
			r.deactivate()
			return fake.Delay(20*time.Second)(ctx, c, do)
		}
	}},
}

// injection is a fault of the event with a number: a write to the database, or a request to a gateway.
type injection struct{ event, fault int }

// run is one run of a scenario.
type run struct {
	*world

	scenario   scenario
	queued     bool
	injections []injection

	mu       sync.Mutex
	events   []string // writes and requests of all replicas
	injected int
	active   *replica
	all      []*replica
	queues   bool
}

// play runs the scenario, and returns an error if a guarantee is violated.
func (r *run) play() error {
	r.hosts[0].away.Store(r.scenario.refuses)
	for _, q := range r.scenario.asks {
		q.Async = r.queued
		for range 40 {
			answer, answered := r.current().ask(q)
			r.decidePending(order)
			if answered && (answer.over() || r.queued && answer.err == nil) {
				break
			}
			time.Sleep(2 * time.Second)
		}
		if r.queued {
			r.waitUntilFinal()
		}
	}
	r.queues = true
	r.waitUntilFinal()
	for _, replica := range r.all {
		replica.stop()
	}
	if err := r.check(order); err != nil {
		return err
	}
	p, err := r.payments.Find(context.Background(), order)
	if len(r.injections) == 0 && (err != nil || p.State != r.scenario.ends) {
		return fmt.Errorf("without a fault, the payment is %s %w", p.State, err)
	}
	return nil
}

// waitUntilFinal waits, for a bounded time, until the queue has finished everything of the order.
func (r *run) waitUntilFinal() {
	for waited := 0; waited < 300 && !r.final(order); waited++ {
		r.current()
		r.decidePending(order)
		if time.Since(r.began) > healsAfter {
			r.hosts[0].away.Store(false)
		}
		time.Sleep(time.Second)
	}
}

// healsAfter is how long the first gateway of a scenario refuses connections. An attempt there whose outcome is not
// known is open until then.
const healsAfter = 30 * time.Second

// current returns the active replica, and starts one if there is none.
func (r *run) current() *replica {
	if r.active == nil || r.active.inactive() {
		r.active = r.start()
		r.all = append(r.all, r.active)
	}
	if r.queues || r.queued {
		r.active.runQueue()
	}
	return r.active
}

// event counts an event, and returns the number of the fault that is injected there, or -1.
func (r *run) event(name string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, name)
	for _, i := range r.injections {
		if i.event == len(r.events) {
			r.injected++
			return i.fault
		}
	}
	return -1
}

// runScenario runs a scenario with faults.
func runScenario(t *testing.T, folder string, sc scenario, queued bool, b *bug, injections ...injection) (*run, error) {
	t.Helper()
	r := &run{world: newWorld(t, folder, sc.gateways...), scenario: sc, queued: queued, injections: injections}
	r.bug = b
	r.faultOfCall = func(by *replica, c fake.Call) fake.Fault {
		if !c.Writes || slices.Contains([]string{"Heartbeat", "Release", "Leave"}, c.Method) {
			return nil
		}
		if i := r.event(c.Method); i >= 0 && i < len(callFaults) {
			r.note("%s of %s: %s", c.Method, by.name, callFaults[i].name)
			return callFaults[i].fault(by)
		}
		return nil
	}
	r.faultOfRequest = func(by *replica, h *host, q *http.Request) requestFault {
		name := fmt.Sprintf("%s %s %s", h.name, q.Method, q.URL.Path)
		if i := r.event(name); i >= 0 {
			r.note("%s of %s: %s", name, by.name, requestFaults[i].name)
			return requestFaults[i].fault
		}
		return nil
	}
	err := r.play()
	r.close()
	return r, err
}

// outcome returns the events of a run, and how many faults were injected.
func (r *run) outcome() (events []string, injected int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events), r.injected
}

// faultsAt returns how many faults an event may meet: fewer if only those count that crash the worker.
func faultsAt(event string, crashes bool) int {
	switch {
	case !strings.Contains(event, " "): // a call
		return len(callFaults)
	case crashes:
		return crashing
	}
	return len(requestFaults)
}

// sample says which faults are injected: one fault in single, and one pair in pair.
type sample struct{ single, pair int }

// injectEverywhere runs the scenario without a fault, and with the sample of single faults and pairs of faults.
func injectEverywhere(t *testing.T, sc scenario, queued bool, b *bug, s sample) (counts map[string]int, violation error) {
	t.Helper()
	folder, ledgers := ledgerFolder(t), 0
	play := func(injections ...injection) (*run, error) {
		ledgers++
		at := fmt.Sprintf("%s/%d", folder, ledgers)
		require.NoError(t, makeFolder(at))
		defer removeFolder(at)
		r, err := runScenario(t, at, sc, queued, b, injections...)
		if err != nil {
			err = fmt.Errorf("%s, queued %v, %v: %w\n%s", sc.name, queued, injections, err, r.story())
		}
		return r, err
	}
	counts = map[string]int{"no fault": 1}
	first, err := play()
	if err != nil {
		return counts, err
	}
	events, _ := first.outcome()
	counts["events"] = len(events)
	singles, pairs := 0, 0
	for n, event := range events {
		for i := range faultsAt(event, false) {
			if singles++; singles%s.single != 0 {
				continue
			}
			once, err := play(injection{n + 1, i})
			if err != nil {
				return counts, err
			}
			after, injected := once.outcome()
			if injected != 1 {
				continue
			}
			counts["one fault"]++
			for m := n + 1; m < len(after); m++ {
				for j := range faultsAt(after[m], true) {
					if pairs++; pairs%s.pair != 0 {
						continue
					}
					twice, err := play(injection{n + 1, i}, injection{m + 1, j})
					if err != nil {
						return counts, err
					}
					if _, injected := twice.outcome(); injected == 2 {
						counts["two faults"]++
					}
				}
			}
		}
	}
	return counts, nil
}

// TestEveryCrashPoint injects a fault at every write to the database and every request to a gateway.
func TestEveryCrashPoint(t *testing.T) {
	t.Parallel()
	s := sample{single: sampleSingle, pair: samplePair}
	if *everyFlag {
		s = sample{single: 1, pair: 10}
	}
	var mu sync.Mutex
	total := make(map[string]int)
	t.Run("all", func(t *testing.T) {
		for _, sc := range scenarios() {
			for _, queued := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, queued %v", sc.name, queued), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						counts, err := injectEverywhere(t, sc, queued, nil, s)
						t.Log(counts)
						require.NoError(t, err)
						mu.Lock()
						defer mu.Unlock()
						for what, n := range counts {
							total[what] += n
						}
					})
				})
			}
		}
	})
	for _, what := range slices.Sorted(maps.Keys(total)) {
		t.Logf("%6d × %s", total[what], what)
	}
}
