package metrics

import (
	"context"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// Gateway returns a gateway whose calls are counted, by the class that the core sees.
func (m *Metrics) Gateway(g ports.Gateway) ports.Gateway { return gateway{g, m} }

type gateway struct {
	ports.Gateway

	metrics *Metrics
}

// Charge implements ports.Gateway.
func (g gateway) Charge(ctx context.Context, c payment.Charge) payment.Result {
	began := time.Now()
	r := g.Gateway.Charge(ctx, c).Sanitized()
	g.metrics.attempts.of(r.Class).Observe(time.Since(began).Seconds())
	return r
}

// LookUp implements ports.Gateway.
func (g gateway) LookUp(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	began := time.Now()
	l := g.Gateway.LookUp(ctx, ref).Sanitized()
	g.metrics.lookups.of(l.Result).Observe(time.Since(began).Seconds())
	return l
}
