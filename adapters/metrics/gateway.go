package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"paymentd/core/payment"
	"paymentd/ports"
)

// labelGateway is the label with the name of a gateway in the settings, of which there are few.
const labelGateway = "gateway"

// Gateway returns a gateway whose calls are counted under the name, by the class that the core sees.
func (m *Metrics) Gateway(name string, g ports.Gateway) ports.Gateway {
	series := func(of *prometheus.HistogramVec, operation string) func(...string) prometheus.Observer {
		return of.MustCurryWith(prometheus.Labels{labelGateway: name, labelOperation: operation}).WithLabelValues
	}
	return gateway{
		Gateway: g,
		attempts: byKindOf(func(operation string) family[payment.Class, prometheus.Observer] {
			return familyOf(series(m.attempts, operation),
				payment.ClassApproved, payment.ClassAuthorized, payment.ClassDeclined, payment.ClassRejected, payment.ClassNotCharged,
				payment.ClassUnknownAnswered, payment.ClassUnknownUnanswered, payment.ClassPending, payment.ClassKeyReused)
		}),
		lookups: byKindOf(func(operation string) family[payment.LookupResult, prometheus.Observer] {
			return familyOf(series(m.lookups, operation),
				payment.FoundApproved, payment.FoundAuthorized, payment.FoundDeclined, payment.FoundProcessing, payment.FoundNothing,
				payment.FoundNoAnswer, payment.FoundPending, payment.FoundVoided, payment.FoundReturned)
		}),
	}
}

type gateway struct {
	ports.Gateway

	attempts byKind[family[payment.Class, prometheus.Observer]]
	lookups  byKind[family[payment.LookupResult, prometheus.Observer]]
}

// Charge implements ports.Gateway.
func (g gateway) Charge(ctx context.Context, c payment.Charge) payment.Result {
	began := time.Now()
	r := g.Gateway.Charge(ctx, c).Sanitized()
	g.attempts[c.Operation.Kind].of(r.Class).Observe(time.Since(began).Seconds())
	return r
}

// LookUp implements ports.Gateway.
func (g gateway) LookUp(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	began := time.Now()
	l := g.Gateway.LookUp(ctx, ref).Sanitized()
	g.lookups[ref.Operation.Kind].of(l.Result).Observe(time.Since(began).Seconds())
	return l
}

// Protection is what protects a gateway, and the service from it.
type Protection interface {
	RetryIn() time.Duration // zero unless the breaker is open
	InFlight() int          // attempts
	MaxConcurrent() int     // attempts
}

// Guard registers the metrics of the protection of the gateway with the name.
func (m *Metrics) Guard(name string, p Protection) {
	of := prometheus.Labels{labelGateway: name}
	gauge := func(metric, help string, value func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: metric, Help: help, ConstLabels: of}, value))
	}
	gauge("paymentd_gateway_breaker_open",
		"1 while the circuit breaker of the gateway makes no attempts, because the gateway does not answer; otherwise 0.",
		func() float64 {
			if p.RetryIn() > 0 {
				return 1
			}
			return 0
		})
	gauge("paymentd_gateway_attempts_in_flight", "Attempts to charge, capture, void or refund that the gateway has not completed yet.",
		func() float64 { return float64(p.InFlight()) })
	gauge("paymentd_gateway_attempts_limit", "Attempts to charge, capture, void or refund that may be in flight at the gateway (max_concurrent).",
		func() float64 { return float64(p.MaxConcurrent()) })
}

// Events makes the series of the events of the gateway with the name, which begin at zero.
func (m *Metrics) Events(name string, results ...string) {
	for _, result := range results {
		m.events.WithLabelValues(name, result)
	}
}

// EventEnded counts an event. There are few gateways and results.
func (m *Metrics) EventEnded(gateway, result string) { m.events.WithLabelValues(gateway, result).Inc() }
