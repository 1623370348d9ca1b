package tracing

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"paymentd/core"
)

// Options of spans, which are made once.
var (
	kindServer = trace.WithSpanKind(trace.SpanKindServer)
	kindClient = trace.WithSpanKind(trace.SpanKindClient)
	asRoot     = trace.WithNewRoot()
)

// Service is a core.Service whose requests are traced.
type Service struct {
	*core.Service

	tracing *Tracing
}

// Service returns the service with its requests traced. t must not be nil.
func (t *Tracing) Service(s *core.Service) *Service { return &Service{s, t} }

// Process charges an order; see core.Service.
func (s *Service) Process(ctx context.Context, r core.Request) (core.Answer, error) {
	v := visitOf(ctx)
	if v == nil {
		v = &visit{span: newSpanID()}
		ctx = context.WithValue(ctx, visitKey{}, v)
	}
	began := time.Now()
	a, err := s.Service.Process(ctx, r)
	v.learn(a.GatewayKey, false)
	key, id := v.known()
	if key == "" {
		return a, err // refused, or gone, before it came to a payment
	}

	attributes := append(make([]attribute.KeyValue, 0, 3),
		attribute.String("paymentd.order_id", r.OrderID.String()),
		attribute.String("paymentd.state", string(a.State)),
	)
	if a.Replayed {
		attributes = append(attributes, attribute.Bool("paymentd.replayed", true))
	}
	options := append(make([]trace.SpanStartOption, 0, 5), // what follows is all that there may be
		trace.WithTimestamp(began), kindServer, trace.WithAttributes(attributes...))
	if v.client.IsValid() {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: v.client}))
	}
	start := context.Background()
	if id == rootOf(traceOf(key)) {
		options = append(options, asRoot)
	} else {
		start = under(start, key)
	}
	start = context.WithValue(start, chosenKey{}, chosen{traceOf(key), id})
	_, span := s.tracing.tracer.Start(start, "process payment", options...)
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
	return a, err
}
