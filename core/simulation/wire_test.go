package simulation

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"paymentd/adapters/fake"
	"paymentd/core/payment"
	"paymentd/ports"
)

// fault draws the fault of a call of this replica to the database.
func (r *replica) fault(c fake.Call) fake.Fault { return r.faultAt("")(c) }

// faultAt draws the faults of the calls of this replica to a gateway.
func (r *replica) faultAt(gateway payment.GatewayID) func(fake.Call) fake.Fault {
	return func(fake.Call) fake.Fault { return r.drawFault(gateway) }
}

func (r *replica) drawFault(gateway payment.GatewayID) fake.Fault {
	return func(ctx context.Context, c fake.Call, do func()) error {
		work := workOf(ctx)
		time.Sleep(staggers[work]) // the loops of the queue wake at the same instant
		s := r.nextCall(fmt.Sprint(c.Method, " ", c.OrderID, c.Key, work))
		switch c.Method {
		case "Charge", "LookUp", "Cancel":
			return r.callGateway(ctx, gateway, s, c, do)
		}
		return r.callDatabase(s, c, do)
	}
}

// nextCall returns the random numbers for the next call on this subject.
func (r *replica) nextCall(about string) stream {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nth[about]++
	return r.world.stream("call", r.name, about, r.nth[about])
}

// staggers give each kind of the queue's work instants of its own.
var staggers = map[payment.Work]time.Duration{
	payment.WorkTakeovers: 107 * time.Nanosecond, payment.WorkLookups: 211 * time.Nanosecond,
	payment.WorkHolds: 307 * time.Nanosecond,
}

type workKey struct{}

// workOf returns the kind of work of the queue's loop that makes a call; empty for other calls.
func workOf(ctx context.Context) payment.Work {
	w, _ := ctx.Value(workKey{}).(payment.Work)
	return w
}

// sortedWork marks calls with the queue's loop that makes them.
type sortedWork struct{ ports.Payments }

func (p sortedWork) NextDue(ctx context.Context, terms payment.PickUpPolicy) (time.Duration, bool, error) {
	return p.Payments.NextDue(context.WithValue(ctx, workKey{}, terms.Work), terms)
}

func (p sortedWork) ClaimDue(ctx context.Context, terms payment.PickUpPolicy, limit int) ([]payment.Decision, error) {
	return p.Payments.ClaimDue(context.WithValue(ctx, workKey{}, terms.Work), terms, limit)
}

// callDatabase makes a call to the database with the drawn faults. A paused process does not notice that
// its contexts end.
func (r *replica) callDatabase(s stream, c fake.Call, do func()) error {
	f := r.world.faults
	stagger := s.between(time.Microsecond, time.Millisecond)
	r.gate(forever, stagger)
	before, after := r.latency(s, c)
	time.Sleep(before)
	r.gate(forever, stagger)

	faulty := r.world.faultsActive()
	polls := slices.Contains([]string{"NextDue", "Heartbeat", "Heartbeats", "TryWrite", "Find", "FindOperation"}, c.Method)
	switch {
	case r.away(c):
		time.Sleep(s.between(time.Millisecond, 3*time.Second))
		return ports.ErrUnavailable
	case faulty && !polls && s.chance(f.crash):
		r.crashAt(s, c, do)
	case faulty && s.chance(f.fail):
		return ports.ErrUnavailable
	case faulty && s.chance(f.hang):
		r.pause(s.between(time.Second, 3*time.Minute))
		if s.chance(0.5) {
			r.gate(forever, stagger)
		}
	}
	do()
	r.gate(forever, stagger)
	time.Sleep(after)
	r.gate(forever, stagger)
	if faulty && s.chance(f.lose) || after > 0 && r.away(c) {
		r.world.trace.add(r.name, c.OrderID, "%s: its answer is lost", c.Method)
		return fake.FailAfter(context.Background(), c, func() {})
	}
	return nil
}

// away reports whether this call cannot reach the database.
func (r *replica) away(c fake.Call) bool {
	_, down := r.world.databaseOutages.now()
	_, cutOff := r.cutOffs.now()
	_, mute := r.mutes.now()
	return down || cutOff || mute && c.Method == "Heartbeat"
}

// callGateway makes a call to the gateway. A request that has left the process takes time to arrive, at
// most settings.arrival in total.
func (r *replica) callGateway(
	ctx context.Context, gateway payment.GatewayID, s stream, c fake.Call, do func(),
) error {
	f, limit := r.world.faults, r.world.arrival/16
	stagger := s.between(time.Microsecond, time.Millisecond)
	r.gate(limit, stagger)
	before, after := r.latency(s, c)
	time.Sleep(min(before, limit))

	faulty := r.world.faultsActive()
	_, away := r.world.gatewayAway(gateway)
	switch {
	case c.Method != "Charge" && away:
		time.Sleep(s.between(time.Millisecond, 10*time.Second))
		return ports.ErrUnavailable
	case faulty && s.chance(f.crash):
		r.crashAt(s, c, do)
	case faulty && s.chance(f.fail):
		return ports.ErrUnavailable
	case faulty && s.chance(f.hang):
		r.pause(s.between(time.Second, 3*time.Minute))
		if s.chance(0.5) {
			r.gate(limit, stagger)
		}
	}
	do()
	r.gate(forever, stagger)
	err := fake.DelayAnswer(after)(ctx, c, func() {})
	r.gate(forever, stagger)
	if faulty && s.chance(f.lose) {
		err = ports.ErrInDoubt
	}
	return err
}

// latency is how long a call and its answer travel.
func (r *replica) latency(s stream, c fake.Call) (before, after time.Duration) {
	if slices.Contains([]string{"NextDue", "Heartbeat", "Heartbeats", "TryWrite"}, c.Method) {
		return 0, 0 // there are too many of them
	}
	if r.world.faultsActive() && s.chance(r.world.faults.delay) {
		if s.chance(0.5) {
			before = s.between(10*time.Millisecond, time.Minute)
		} else {
			after = s.between(10*time.Millisecond, time.Minute)
		}
	}
	return before + s.between(10*time.Microsecond, 5*time.Millisecond),
		after + s.between(10*time.Microsecond, 5*time.Millisecond)
}

// crashAt kills the process before or after the call.
func (r *replica) crashAt(s stream, c fake.Call, do func()) {
	if s.chance(0.5) {
		r.world.trace.add(r.name, c.OrderID, "dies before %s", c.Method)
	} else {
		do()
		r.world.trace.add(r.name, c.OrderID, "dies after %s", c.Method)
	}
	r.kill("crashes")
	runtime.Goexit()
}
