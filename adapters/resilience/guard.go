package resilience

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"paymentd/core/payment"
	"paymentd/ports"
)

// The breaker opens for a gateway that does not answer, not for one that fails some payments: only
// if nearly all of many attempts in the period got no answer of the gateway's own. The meaning of
// an answer for the money does not matter: a gateway that answers 429 or "processing" is available.
const (
	breakerFailureRate = 0.95
	breakerAttempts    = 100
	breakerPeriod      = 10 * time.Second
	breakerDelay       = time.Second // before one attempt may test whether the gateway answers again
)

// fullLogInterval is how often a full bulkhead is logged.
const fullLogInterval = time.Minute

// GuardOptions are the limits of a [Guard].
type GuardOptions struct {
	Timeout       time.Duration // of one attempt, and of one lookup
	MaxConcurrent uint          // concurrent attempts
	// BreakerAttempts is the least number of attempts within ten seconds that may open the breaker, and
	// BreakerDelay how long it stays open before one attempt tests the gateway. Zero for 100 and 1 s.
	BreakerAttempts uint
	BreakerDelay    time.Duration
	// Name is the name of the gateway in Log, which gets a line when the breaker opens because the gateway
	// stopped answering, when it closes again, and when the bulkhead is full. No lines if Log is nil.
	Name string
	Log  *slog.Logger
}

// Guard is a gateway with limits on its calls. It never reports an outcome as more certain than it
// is: a call that was not made did not charge, and a call without a result is unknown.
//
// The timeout ends a call through its context, so an adapter must return when the context ends. Nothing
// interrupts a call of one that does not: the call keeps its permit, so that at most MaxConcurrent of
// them run, and further attempts are refused as not charged. Its caller gets no result until it returns; meanwhile the lease of the payment expires, and
// another worker takes over with the same gateway key. A late answer still counts. A stop of the service
// does not wait for the call beyond its own limit.
type Guard struct {
	gateway  ports.Gateway
	bulkhead bulkhead.Bulkhead[payment.Result]
	breaker  circuitbreaker.CircuitBreaker[payment.Result]

	options  GuardOptions
	inFlight atomic.Int64 // attempts
	probes   atomic.Int64 // attempts in flight that test a gateway that did not answer
	logFull  atomic.Int64 // when a full bulkhead is logged again, in Unix nanoseconds
}

var _ ports.Gateway = (*Guard)(nil)

// NewGuard returns a guard around a gateway.
func NewGuard(gateway ports.Gateway, o GuardOptions) *Guard {
	o.BreakerAttempts, o.BreakerDelay = cmp.Or(o.BreakerAttempts, breakerAttempts), cmp.Or(o.BreakerDelay, breakerDelay)
	breaker := circuitbreaker.NewBuilder[payment.Result]().
		HandleIf(func(r payment.Result, _ error) bool { return !r.Answered }).
		WithFailureRateThreshold(breakerFailureRate, o.BreakerAttempts, breakerPeriod).
		WithSuccessThreshold(1).
		WithDelay(o.BreakerDelay).
		OnStateChanged(o.logChange).
		Build()
	return &Guard{
		gateway: gateway, options: o,
		bulkhead: bulkhead.New[payment.Result](o.MaxConcurrent), breaker: breaker,
	}
}

// logChange logs that the gateway stopped answering, or answers again. A gateway that does not answer for
// long half-opens and opens its breaker every second; that is not logged.
func (o GuardOptions) logChange(e circuitbreaker.StateChangedEvent) {
	switch {
	case o.Log == nil:
	case e.OldState == circuitbreaker.ClosedState && e.NewState == circuitbreaker.OpenState:
		o.Log.Warn("the circuit breaker of a gateway opened, because the gateway does not answer", "gateway", o.Name)
	case e.NewState == circuitbreaker.ClosedState:
		o.Log.Info("the circuit breaker of a gateway closed, because the gateway answers again", "gateway", o.Name)
	}
}

// Charge implements ports.Gateway.
//
// The policies are asked for their permits by themselves, which costs less than an executor of
// them. The timeout is the context's, not failsafe-go's: that one replaces the result of an
// attempt that came in late, and a late approval is an approval.
func (g *Guard) Charge(ctx context.Context, c payment.Charge) payment.Result {
	if ctx.Err() != nil {
		// Not recorded in the breaker, because it says nothing about the gateway.
		return notCalled("the attempt was cancelled before it began: " + ctx.Err().Error())
	}
	if !g.bulkhead.TryAcquirePermit() {
		g.logRefusal()
		return notCalled("too many attempts are in flight")
	}
	g.inFlight.Add(1)
	defer func() {
		g.inFlight.Add(-1)
		g.bulkhead.ReleasePermit()
	}()
	if !g.breaker.TryAcquirePermit() {
		return notCalled("the circuit breaker is open, because the gateway answered no attempt")
	}
	if g.breaker.IsHalfOpen() {
		g.probes.Add(1)
		defer g.probes.Add(-1)
	}
	ctx, cancel := context.WithTimeout(ctx, g.options.Timeout)
	defer cancel()
	r := g.charge(ctx, c)
	g.breaker.RecordResult(r)
	return r
}

// logRefusal logs that the bulkhead is full, at most once a minute.
func (g *Guard) logRefusal() {
	now, next := time.Now(), g.logFull.Load()
	if g.options.Log == nil || now.UnixNano() < next || !g.logFull.CompareAndSwap(next, now.Add(fullLogInterval).UnixNano()) {
		return
	}
	g.options.Log.Warn("a gateway has as many attempts in flight as it may have; further attempts are not made",
		"gateway", g.options.Name, "max_concurrent", g.options.MaxConcurrent)
}

// RetryIn returns how long no attempt will be made because the breaker is open; zero if an attempt would be
// made. It takes no permit, so the attempt that tests the gateway remains for a caller of Charge. While
// that attempt is in flight, the result is the breaker's delay.
func (g *Guard) RetryIn() time.Duration {
	if left := g.breaker.RemainingDelay(); left > 0 {
		return left
	}
	if g.probes.Load() > 0 && g.breaker.IsHalfOpen() {
		return g.options.BreakerDelay
	}
	return 0
}

// Full reports whether as many attempts are in flight as the bulkhead allows.
func (g *Guard) Full() bool { return g.InFlight() >= g.MaxConcurrent() }

// MaxConcurrent returns how many attempts the bulkhead allows.
func (g *Guard) MaxConcurrent() int { return int(g.options.MaxConcurrent) }

// InFlight returns how many attempts are in flight.
func (g *Guard) InFlight() int { return int(g.inFlight.Load()) }

// The states of a breaker.
const (
	BreakerClosed   = "closed"    // attempts are made
	BreakerOpen     = "open"      // no attempts are made
	BreakerHalfOpen = "half_open" // one attempt tests whether the gateway answers
)

// Breaker returns the state of the breaker.
func (g *Guard) Breaker() string {
	switch g.breaker.State() {
	case circuitbreaker.OpenState:
		return BreakerOpen
	case circuitbreaker.HalfOpenState:
		return BreakerHalfOpen
	default:
		return BreakerClosed
	}
}

// charge returns a panic as an unknown outcome. The panic would otherwise leave a half-open breaker
// stuck.
func (g *Guard) charge(ctx context.Context, c payment.Charge) (r payment.Result) {
	defer func() {
		if v := recover(); v != nil {
			r = payment.Result{
				Class: payment.ClassUnknownUnanswered, Message: fmt.Sprintf("the adapter panicked: %v", v),
			}
		}
	}()
	return g.gateway.Charge(ctx, c)
}

func notCalled(why string) payment.Result {
	return payment.Result{Class: payment.ClassNotCharged, Message: why}
}

// LookUp implements ports.Gateway.
func (g *Guard) LookUp(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	ctx, cancel := context.WithTimeout(ctx, g.options.Timeout)
	defer cancel()
	return g.gateway.LookUp(ctx, ref)
}

// Cancel implements ports.Gateway.
func (g *Guard) Cancel(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	ctx, cancel := context.WithTimeout(ctx, g.options.Timeout)
	defer cancel()
	return g.gateway.Cancel(ctx, ref)
}

// Capabilities implements ports.Gateway.
func (g *Guard) Capabilities() payment.Capabilities { return g.gateway.Capabilities() }
