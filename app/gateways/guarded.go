package gateways

import (
	"log/slog"

	"paymentd/adapters/metrics"
	"paymentd/adapters/resilience"
	"paymentd/adapters/tracing"
	"paymentd/ports"
)

// Guarded is an open gateway with everything that is between it and the core.
type Guarded struct {
	Settings

	Gateway ports.Gateway
	Guard   *resilience.Guard
	Retry   ports.Retry
}

// Guard composes what is between the core and the adapter of a gateway. Each gateway has its own. From the
// outside to the inside:
//
//	retry     makes the attempts of a round, with backoff (the core decides whether another may follow)
//	traces    a span for each call
//	metrics   duration and class of each call, by the name of the gateway; they also count the attempts
//	          that the guard interrupts or refuses, because these have a class as well
//	bulkhead  refuses an attempt if MaxConcurrent are in flight
//	breaker   refuses an attempt if the gateway has stopped answering
//	timeout   ends an attempt or a lookup
//	adapter   speaks to the gateway
//
// What the bulkhead or the breaker refuses was not charged.
func Guard(s Settings, adapter ports.Gateway, traces *tracing.Tracing, m *metrics.Metrics, log *slog.Logger) Guarded {
	guard := resilience.NewGuard(adapter, resilience.GuardOptions{
		Timeout: s.Options.Timeout, MaxConcurrent: uint(s.MaxConcurrent),
		BreakerAttempts: uint(s.Breaker.Attempts), BreakerDelay: s.Breaker.Delay,
		Name: s.Name, Log: log,
	})
	m.Guard(s.Name, guard)
	return Guarded{
		Settings: s,
		Gateway:  traces.Gateway(m.Gateway(s.Name, guard)),
		Guard:    guard,
		Retry:    resilience.NewRetry(s.Retry),
	}
}
