package tracing

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"paymentd/core"
	"paymentd/core/payment"
)

// Options of spans, which all spans share.
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
	return s.trace(ctx, r, s.Service.Process, "process payment")
}

// Refund gives money of a payment back; see core.Service. A refund has a trace of its own, because it has a gateway
// key of its own.
func (s *Service) Refund(ctx context.Context, r core.Request) (core.Answer, error) {
	return s.trace(ctx, r, s.Service.Refund, "process refund")
}

// Capture takes money that a payment holds; see core.Service. Like a refund, it has a trace of its own.
func (s *Service) Capture(ctx context.Context, r core.Request) (core.Answer, error) {
	return s.trace(ctx, r, s.Service.Capture, "process capture")
}

// Void releases money that a payment holds; see core.Service. Like a refund, it has a trace of its own.
func (s *Service) Void(ctx context.Context, r core.Request) (core.Answer, error) {
	return s.trace(ctx, r, s.Service.Void, "process void")
}

// trace processes a request, and records a span with this name if its trace is sampled.
func (s *Service) trace(
	ctx context.Context, r core.Request, process func(context.Context, core.Request) (core.Answer, error), name string,
) (core.Answer, error) {
	traced := requestOf(ctx)
	if traced == nil {
		traced = &request{}
		ctx = context.WithValue(ctx, requestKey{}, traced)
	}
	began := time.Now()
	a, err := process(ctx, r)
	traced.learn(a.GatewayKey, false)
	if at := traced.position(); at.key != "" && s.tracing.ratio.samples(at.trace) {
		s.record(name, traced, at, began, r, a, err)
	}
	return a, err
}

// record records the span of a request that began at that time.
func (s *Service) record(
	name string, traced *request, at position, began time.Time, r core.Request, a core.Answer, err error,
) {
	attributes := append(make([]attribute.KeyValue, 0, 4),
		attribute.String("paymentd.order_id", r.OrderID.String()),
		attribute.String("paymentd.state", string(a.State)),
	)
	if !r.Operation.IsCharge() {
		attributes = append(attributes, operationOf(r.Operation))
	}
	if a.Replayed {
		attributes = append(attributes, attribute.Bool("paymentd.replayed", true))
	}
	options := append(make([]trace.SpanStartOption, 0, 5), // the most there can be
		trace.WithTimestamp(began), kindServer, trace.WithAttributes(attributes...))
	if traced.client.IsValid() {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: traced.client}))
	}
	ctx := context.Background()
	if at.span == rootOf(at.trace) {
		options = append(options, asRoot)
	} else {
		ctx = withParent(ctx, at.key, at.trace)
	}
	ctx = context.WithValue(ctx, chosenKey{}, chosen{at.trace, at.span})
	_, span := s.tracing.tracer.Start(ctx, name, options...)
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}

// operationOf returns the attribute that names an operation, such as "refund refund-1" or "charge".
func operationOf(id payment.OperationID) attribute.KeyValue {
	return attribute.String("paymentd.operation", id.String())
}
