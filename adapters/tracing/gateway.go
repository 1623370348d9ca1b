package tracing

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"paymentd/core/payment"
	"paymentd/ports"
)

// Gateway returns a gateway whose calls are traced. Their context has the span, for
// [Tracing.Inject]. If the trace is not sampled there is no span, and the context says so.
func (t *Tracing) Gateway(g ports.Gateway) ports.Gateway {
	if t == nil {
		return g
	}
	return gateway{g, t}
}

type gateway struct {
	ports.Gateway

	tracing *Tracing
}

// Charge implements ports.Gateway.
func (g gateway) Charge(ctx context.Context, c payment.Charge) payment.Result {
	name := "charge"
	if !c.Operation.IsCharge() {
		name = string(c.Operation.Kind)
	}
	ctx, span := g.start(ctx, c.Key, name)
	if span == nil {
		return g.Gateway.Charge(ctx, c)
	}
	defer span.End()
	r := g.Gateway.Charge(ctx, c)
	span.SetAttributes(attribute.String("paymentd.class", string(r.Class)))
	if r.Class != payment.ClassApproved && r.Class != payment.ClassDeclined {
		span.SetStatus(codes.Error, r.Message)
	}
	return r
}

// LookUp implements ports.Gateway.
func (g gateway) LookUp(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	ctx, span := g.start(ctx, ref.Key, "look up")
	if span == nil {
		return g.Gateway.LookUp(ctx, ref)
	}
	defer span.End()
	l := g.Gateway.LookUp(ctx, ref)
	span.SetAttributes(attribute.String("paymentd.finding", string(l.Result)))
	if l.Result == payment.FoundNoAnswer {
		span.SetStatus(codes.Error, l.Message)
	}
	return l
}

// start starts the span of a call, or returns nil for it if the trace is not sampled.
func (g gateway) start(
	ctx context.Context, key payment.GatewayKey, name string,
) (context.Context, trace.Span) {
	id := traceOf(key)
	if !g.tracing.ratio.samples(id) {
		return unsampled(ctx, id), nil
	}
	return g.tracing.tracer.Start(withParent(ctx, key, id), name, kindClient)
}
