package tracing

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"paymentd/core/payment"
	"paymentd/ports"
)

// Payments returns a repository that records a span for a call that adds something to the span of the
// request: a claim by the queue or of a payment that was claimed before, and a settlement that fails.
// A payment that succeeds at once has two spans, because each span costs as much as a call.
func (t *Tracing) Payments(p ports.Payments) ports.Payments {
	if t == nil {
		return p
	}
	return &payments{p, t}
}

type payments struct {
	ports.Payments

	tracing *Tracing
}

// Claim implements ports.Payments.
func (s *payments) Claim(
	ctx context.Context, request payment.ClaimRequest,
) (*payment.Payment, payment.Verdict, error) {
	began := time.Now()
	p, verdict, err := s.Payments.Claim(ctx, request)
	if err != nil {
		return p, verdict, err
	}
	requestOf(ctx).learn(p.GatewayKey, p.GatewayKey == request.NewKey)
	if verdict == payment.VerdictClaimed && p.Fence > 1 {
		s.claimed(ctx, p, verdict, request.Replica, began)
	}
	return p, verdict, nil
}

// ClaimDue implements ports.Payments.
func (s *payments) ClaimDue(
	ctx context.Context, policy payment.PickUpPolicy, limit int,
) ([]payment.Decision, error) {
	began := time.Now()
	due, err := s.Payments.ClaimDue(ctx, policy, limit)
	for i := range due {
		s.claimed(ctx, &due[i].Payment, due[i].Verdict, policy.Replica, began)
	}
	return due, err
}

func (s *payments) claimed(
	ctx context.Context, p *payment.Payment, verdict payment.Verdict, replica string, began time.Time,
) {
	id := traceOf(p.GatewayKey)
	if !s.tracing.ratio.samples(id) {
		return
	}
	_, span := s.tracing.tracer.Start(withParent(ctx, p.GatewayKey, id), "claim",
		trace.WithTimestamp(began), trace.WithAttributes(
			attribute.String("paymentd.order_id", p.OrderID.String()),
			operationOf(p.Operation),
			attribute.String("paymentd.verdict", string(verdict)),
			attribute.String("paymentd.replica", replica),
			attribute.Int64("paymentd.fence", p.Fence),
			attribute.Bool("paymentd.taken_over", p.TakenOver),
		))
	span.End()
}

// Settle implements ports.Payments. A settlement by the queue has no span, because it does not
// contain the gateway key.
func (s *payments) Settle(ctx context.Context, st payment.Settlement) error {
	began := time.Now()
	err := s.Payments.Settle(ctx, st)
	if err == nil {
		return nil
	}
	at := requestOf(ctx).position()
	if at.key == "" || !s.tracing.ratio.samples(at.trace) {
		return err
	}
	_, span := s.tracing.tracer.Start(withParent(ctx, at.key, at.trace), "settle",
		trace.WithTimestamp(began), trace.WithAttributes(
			attribute.String("paymentd.order_id", st.OrderID.String()),
			operationOf(st.Operation),
			attribute.String("paymentd.state", string(st.Outcome.State)),
			attribute.Int64("paymentd.fence", st.Fence),
		))
	span.SetStatus(codes.Error, err.Error())
	span.End()
	return err
}
