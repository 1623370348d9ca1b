package resilience

import (
	"context"
	"fmt"
	"time"

	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"paymentd/core/payment"
	"paymentd/ports"
)

// The breaker opens for a gateway that is dead, not for one that is sick with some payments: only
// when, of a good number of attempts in the period, nearly all got no answer of the gateway's own.
// What an answer says about the money does not matter here: a gateway that answers 429, or that it
// is still processing, is alive.
const (
	breakerFailureRate = 0.95
	breakerAttempts    = 100
	breakerPeriod      = 10 * time.Second
	breakerDelay       = time.Second // then one attempt may try whether it is back
)

// GuardOptions bound the calls to a gateway.
type GuardOptions struct {
	Timeout       time.Duration // of one attempt, and of one lookup
	MaxConcurrent uint          // attempts at once
}

// Guard is a gateway whose calls are bounded. It never makes an outcome look better known
// than it is: what was not called was not charged, what was called and did not come back
// is unknown.
type Guard struct {
	gateway  ports.Gateway
	timeout  time.Duration
	bulkhead bulkhead.Bulkhead[payment.Result]
	breaker  circuitbreaker.CircuitBreaker[payment.Result]
}

var _ ports.Gateway = (*Guard)(nil)

// NewGuard puts a guard around a gateway.
func NewGuard(gateway ports.Gateway, o GuardOptions) *Guard {
	breaker := circuitbreaker.NewBuilder[payment.Result]().
		HandleIf(func(r payment.Result, _ error) bool { return !r.Answered }).
		WithFailureRateThreshold(breakerFailureRate, breakerAttempts, breakerPeriod).
		WithSuccessThreshold(1).
		WithDelay(breakerDelay).
		Build()
	return &Guard{
		gateway: gateway, timeout: o.Timeout,
		bulkhead: bulkhead.New[payment.Result](o.MaxConcurrent), breaker: breaker,
	}
}

// Charge implements ports.Gateway.
//
// The policies are asked for their permits by themselves, which costs less than an executor of
// them. The timeout is the context's, not failsafe-go's: that one replaces the result of an
// attempt that came in late, and a late approval is an approval.
func (g *Guard) Charge(ctx context.Context, c payment.Charge) payment.Result {
	if ctx.Err() != nil {
		// It says nothing about the gateway.
		return notCalled("the attempt was over before it began: " + ctx.Err().Error())
	}
	if !g.bulkhead.TryAcquirePermit() {
		return notCalled("too many attempts are under way at once")
	}
	defer g.bulkhead.ReleasePermit()
	if !g.breaker.TryAcquirePermit() {
		return notCalled("the gateway has answered no attempt for a while: the breaker is open")
	}
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	r := g.charge(ctx, c)
	g.breaker.RecordResult(r)
	return r
}

// charge turns a panic into an unknown outcome. It would otherwise leave a half-open breaker
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
func (g *Guard) LookUp(ctx context.Context, key payment.GatewayKey) payment.Lookup {
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	return g.gateway.LookUp(ctx, key)
}

// Capabilities implements ports.Gateway.
func (g *Guard) Capabilities() payment.Capabilities { return g.gateway.Capabilities() }
