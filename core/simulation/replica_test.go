package simulation

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

// replica is one process of the service, from its start to its death.
type replica struct {
	*core.Service

	world *world
	name  string
	quit  context.CancelFunc // ends its queue
	dead  chan struct{}
	die   sync.Once
	// idle is true after a graceful stop that left no claim behind.
	idle atomic.Bool

	// Outages of the connection to the database, and of heartbeats only.
	cutOffs, mutes outages

	mu      sync.Mutex
	paused  time.Time      // until then
	nth     map[string]int // calls so far, by what they are about
	resumed int            // goroutines that a pause may have held up

	// Calls to the gateway that the queue waits for.
	attempting, lookingUp int
}

// slot runs one replica after the other, until the run ends.
func (w *world) slot(i int) {
	w.sleep(w.stream("up", i).between(time.Millisecond, 2*time.Second))
	for n := 1; ; n++ {
		r := w.start(i, fmt.Sprintf("replica-%d.%d", i+1, n))
		w.place(i, r)
		r.runFaults()
		w.place(i, nil)
		select {
		case <-w.over:
			return
		case <-time.After(w.downtime(r.name)):
		}
	}
}

// downtime draws how long a replica stays down.
func (w *world) downtime(name string) time.Duration {
	s := w.stream("down", name)
	if w.faultsActive() && s.chance(0.3) {
		return s.between(50*time.Millisecond, max(time.Minute, w.blackout))
	}
	return s.between(50*time.Millisecond, time.Minute)
}

// status returns "living" or "dead".
func (w *world) status(name string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.places {
		if r != nil && r.name == name {
			return "living"
		}
	}
	return "dead"
}

func (w *world) place(i int, r *replica) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.places[i] = r
}

// running returns the replica of a slot, or nil.
func (w *world) running(i int) *replica {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.places[i]
}

// ledgerOf returns the gateway for which the replicas of a slot are configured.
func (w *world) ledgerOf(slot int) gatewayLedger {
	if w.twoGateways && slot%2 == 1 {
		return w.audit.banks[1]
	}
	return w.audit.banks[0]
}

func (w *world) start(slot int, name string) *replica {
	w.trace.add(name, "", "starts")
	w.mu.Lock()
	w.births[name] = time.Now()
	w.mu.Unlock()
	r := &replica{
		world: w, name: name, dead: make(chan struct{}), nth: make(map[string]int),
		cutOffs: w.outages(name+" is cut off from the database", w.faults.cutOffs),
		mutes:   w.outages(name+" cannot beat", w.faults.mutes),
	}
	wire := &fake.Wire{Fault: r.fault}
	payments := ports.Payments(observedPayments{sortedWork{wire.Payments(auditedPayments{w.audit.store, w.audit})}, w.audit})
	if w.skew > 0 {
		payments = skewedPayments{payments, w.skews(name)}
	}
	connect := func(b gatewayLedger) ports.Gateway {
		wire := &fake.Wire{Fault: r.faultAt(b.id)}
		gateway := ports.Gateway(auditedGateway{wire.Gateway(arrivals{b, w.audit}), w.audit, r})
		if w.bug.gateway != nil {
			gateway = w.bug.gateway(gateway)
		}
		return gateway
	}
	if w.sharedCommits {
		payments = newSharedPayments(payments)
	}
	if w.bug.payments != nil {
		payments = w.bug.payments(payments)
	}
	set := w.service
	set.Replica, set.NewKey = name, w.newKey
	r.Service = core.New(set, payments, w.gateways(r, slot, connect), w.trace.log(name))

	ctx, quit := context.WithCancel(context.Background())
	r.quit = quit
	go r.RunQueue(ctx)
	return r
}

// runFaults pauses the replica now and then, and ends it at last.
func (r *replica) runFaults() {
	s, set := r.world.stream("fate", r.name), r.world.faults
	next := func(every time.Duration) time.Duration {
		if every == 0 {
			return 1 << 62
		}
		return s.about(every)
	}
	crash, stop := next(set.crashes), next(set.stops)
	for {
		pause := next(set.pauses)
		event := time.NewTimer(min(crash, stop, pause))
		select {
		case <-event.C:
		case <-r.dead:
			return
		case <-r.world.over:
			r.remove()
			return
		}
		switch first := min(crash, stop, pause); {
		case !r.world.faultsActive():
			crash, stop, set.pauses = next(0), next(0), 0
		case first == pause:
			r.pause(s.between(time.Second, 3*time.Minute))
			crash, stop = crash-pause, stop-pause
		case first == crash:
			r.kill("crashes")
			return
		default:
			r.remove()
			return
		}
	}
}

// remove stops the replica gracefully. It can die during the stop.
func (r *replica) remove() {
	r.world.trace.add(r.name, "", "is asked to stop")
	if r.world.stream("leave", r.name).chance(0.5) {
		r.quit()
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if r.Stop(ctx) == nil {
			r.idle.Store(true)
		}
	}()
	<-stopped
	r.kill("has stopped")
}

// kill ends the process: no goroutine of it gets through a port any more.
func (r *replica) kill(how string) {
	r.die.Do(func() {
		r.world.trace.add(r.name, "", how)
		r.world.mu.Lock()
		r.world.deaths[r.name] = time.Now()
		r.world.mu.Unlock()
		close(r.dead)
		r.quit()
	})
}

// pause stops the process for d: its calls hang, and continue afterwards.
func (r *replica) pause(d time.Duration) {
	r.world.trace.add(r.name, "", "is paused for %v", d)
	r.world.mu.Lock()
	r.world.pauses[r.name] = time.Now().Add(d)
	r.world.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = time.Now().Add(d)
}

// gate blocks the goroutines of a process while it is paused, for limit at most, and ends them when it is
// dead. They do not all continue at the same instant.
func (r *replica) gate(limit, stagger time.Duration) {
	until := time.Now().Add(limit)
	for {
		r.mu.Lock()
		wait := time.Until(r.paused)
		r.mu.Unlock()
		select {
		case <-r.dead:
			runtime.Goexit()
		default:
		}
		if wait = min(wait, time.Until(until)); wait <= 0 {
			return
		}
		select {
		case <-time.After(wait + stagger):
		case <-r.dead:
		}
	}
}

// stagger draws how much later than others a goroutine continues after a pause.
func (r *replica) stagger() time.Duration {
	r.mu.Lock()
	r.resumed++
	n := r.resumed
	r.mu.Unlock()
	return r.world.stream("stagger", r.name, n).between(time.Microsecond, time.Millisecond)
}

// pausable is a retry policy that a pause can hold up before an attempt, so that the claim may have
// expired when it continues.
type pausable struct {
	ports.Retry

	replica *replica
}

func (p pausable) Run(ctx context.Context, round ports.Round) error {
	attempt := round.Attempt
	round.Attempt = func() payment.Result {
		p.replica.gate(forever, p.replica.stagger())
		return attempt()
	}
	return p.Retry.Run(ctx, round)
}

const forever = time.Duration(1 << 62)
