package simulation

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"paymentd/core/payment"
	"paymentd/core/simulation/history"
)

// world is one run.
type world struct {
	settings

	seed  uint64
	bug   bug
	began time.Time
	trace *trace
	audit *audit

	databaseOutages, gatewayOutages outages
	// What the replicas are checked against, even if a bug changes their settings.
	workers          int
	heartbeatTimeout time.Duration
	late             time.Duration

	slots     sync.WaitGroup
	calls     atomic.Int64  // of clients, that a living replica is at, be they gone or not
	over      chan struct{} // closed when the replicas are to go
	failed    chan struct{} // closed when finding is set
	mu        sync.Mutex
	violation *violation
	places    []*replica // by slot; nil while none runs
	keys      int
	births    map[string]time.Time // of replicas
	deaths    map[string]time.Time // of replicas
	pauses    map[string]time.Time // when the last pause of a replica is over
	asked     int
	clock     int64
	history   []history.Operation
}

// violation is a promise that was not kept.
type violation struct {
	order payment.OrderID
	what  string
}

// run is the result of one seed.
type run struct {
	seed      uint64
	simulated time.Duration
	violation *violation
	events    func() string
	history   []history.Operation
	coverage  coverage
}

// simulate runs one seed, with or without a bug.
func simulate(t *testing.T, seed uint64, b bug) run {
	t.Helper()
	var w *world
	var simulated time.Duration
	defer func() {
		if r := recover(); r != nil {
			stacks := make([]byte, 1<<20)
			stacks = stacks[:runtime.Stack(stacks, true)]
			panic(fmt.Sprintf("seed %d: %v\n%s\n%s", seed, r, w.trace.format(""), stacks))
		}
	}()
	synctest.Test(t, func(*testing.T) {
		w = newWorld(seed, b)
		w.run()
		simulated = time.Since(w.began)
	})
	out := run{seed: seed, simulated: simulated, violation: w.violation, history: w.history, coverage: w.audit.coverage}
	for _, op := range w.history {
		out.coverage["answers to clients: "+string(op.Response)]++
		if _, of := orderOf(payment.OrderID(op.OrderID)); !of.IsCharge() {
			out.coverage["answers to "+string(of.Kind)+"s: "+string(op.Response)]++
		}
	}
	if out.violation == nil {
		if err := history.Check(w.operatorOperations(), time.Minute); err != nil {
			out.violation = w.violationOf(err)
		}
	}
	out.events = func() string {
		if out.violation == nil {
			return w.trace.format("")
		}
		return w.trace.format(out.violation.order)
	}
	return out
}

func newWorld(seed uint64, b bug) *world {
	w := &world{
		settings: draw(seed), seed: seed, bug: b, began: time.Now(),
		over: make(chan struct{}), failed: make(chan struct{}), births: make(map[string]time.Time),
		deaths: make(map[string]time.Time), pauses: make(map[string]time.Time),
	}
	w.workers, w.heartbeatTimeout, w.late = w.service.Workers, w.service.HeartbeatTimeout, w.service.Late
	w.refunds = w.refunds && !b.unaudited // such bugs are about payments
	w.holds, w.voids = w.holds && !b.unaudited, w.voids && !b.unaudited
	if b.settings != nil {
		b.settings(&w.service)
	}
	w.trace = &trace{began: w.began}
	w.audit = newAudit(w)
	w.places = make([]*replica, w.replicas)
	w.databaseOutages = w.outages("the database is away", w.faults.databaseOutages)
	w.gatewayOutages = w.outages("the gateway is away", w.faults.gatewayOutages)
	return w
}

// run is one simulation: faults while clients post orders, then none until every payment is
// final.
func (w *world) run() {
	for i := range w.replicas {
		w.slots.Go(func() { w.slot(i) })
	}
	w.slots.Go(w.moveClocks)
	w.slots.Go(w.decidePending)
	w.slots.Go(w.runOperator)
	w.slots.Go(w.sendEvents)
	w.slots.Go(w.returnRefunds)
	w.slots.Go(w.expireHolds)
	w.slots.Go(w.cancelPending)
	var clients sync.WaitGroup
	for i := range w.clients {
		clients.Go(func() { (&client{world: w, id: i, stream: w.stream("client", i)}).run() })
	}
	clients.Wait()
	w.sleep(time.Until(w.began.Add(w.faultPeriod)))
	w.waitUntilFinal()
	w.finalCheck()
	w.audit.checkLostReplicas() // while the others live
	close(w.over)
	w.slots.Wait()
	w.audit.close()
	time.Sleep(longestAnswer) // until the last goroutine of a dead process has seen that it is
}

func (w *world) stream(name ...any) stream { return newStream(w.seed, name...) }

// faultsActive reports whether there are still faults.
func (w *world) faultsActive() bool { return time.Since(w.began) < w.faultPeriod }

// sleep returns false if the run has failed meanwhile.
func (w *world) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-w.failed:
		return false
	}
}

// report keeps the first violation and ends the run.
func (w *world) report(order payment.OrderID, format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.violation != nil || w.bug.unaudited {
		return
	}
	w.violation = &violation{order, fmt.Sprintf(format, args...)}
	w.trace.add("audit", order, "FINDS: %s", w.violation.what)
	close(w.failed)
}

func (w *world) violationOf(err error) *violation {
	f := &violation{what: err.Error()}
	if impossible := new(history.ImpossibleError); errors.As(err, &impossible) {
		f.order = payment.OrderID(impossible.OrderID)
	}
	return f
}

// newKey mints a gateway key.
func (w *world) newKey() payment.GatewayKey {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keys++
	return payment.GatewayKey(fmt.Sprintf("key-%d", w.keys))
}

// tick is the time for the clients' history, in nanoseconds. No two ticks are the same.
func (w *world) tick() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = max(w.clock+1, time.Since(w.began).Nanoseconds())
	return w.clock
}

// orderID names the i-th order, from 0.
func orderID(i int) payment.OrderID { return payment.OrderID(fmt.Sprintf("order-%d", i+1)) }

// amountOf is the amount that nearly all requests for an order have.
func amountOf(i int) payment.Money { return usd(fmt.Sprintf("%d.50", i+1)) }

func usd(amount string) payment.Money {
	c, err := payment.ParseCurrency("USD")
	if err != nil {
		panic(err)
	}
	m, err := payment.ParseMoney(amount, c)
	if err != nil {
		panic(err)
	}
	return m
}
