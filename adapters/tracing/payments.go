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

// Payments returns a repository whose calls are traced where they tell more than the request's own
// span: claims by the queue and of payments that others have worked on, and settlements of requests
// that fail. A payment that succeeds at once is two spans, for each costs as much as a call.
func (t *Tracing) Payments(p ports.Payments) ports.Payments {
	if t == nil {
		return p
	}
	return payments{p, t}
}

type payments struct {
	ports.Payments

	tracing *Tracing
}

// Claim implements ports.Payments.
func (s payments) Claim(
	ctx context.Context, ask payment.ClaimRequest,
) (payment.Payment, payment.Verdict, error) {
	began := time.Now()
	p, verdict, err := s.Payments.Claim(ctx, ask)
	if err != nil {
		return p, verdict, err
	}
	visitOf(ctx).learn(p.GatewayKey, p.GatewayKey == ask.NewKey)
	if verdict == payment.VerdictClaimed && p.Fence > 1 {
		s.claimed(ctx, p, verdict, ask.Replica, began)
	}
	return p, verdict, nil
}

// ClaimDue implements ports.Payments.
func (s payments) ClaimDue(
	ctx context.Context, terms payment.PickUpPolicy, limit int,
) ([]payment.Decision, error) {
	began := time.Now()
	due, err := s.Payments.ClaimDue(ctx, terms, limit)
	for i := range due {
		s.claimed(ctx, due[i].Payment, due[i].Verdict, terms.Replica, began)
	}
	return due, err
}

func (s payments) claimed(
	ctx context.Context, p payment.Payment, verdict payment.Verdict, replica string, began time.Time,
) {
	_, span := s.tracing.tracer.Start(under(ctx, p.GatewayKey), "claim",
		trace.WithTimestamp(began), trace.WithAttributes(
			attribute.String("paymentd.order_id", p.OrderID.String()),
			attribute.String("paymentd.verdict", string(verdict)),
			attribute.String("paymentd.replica", replica),
			attribute.Int64("paymentd.fence", p.Fence),
			attribute.Bool("paymentd.taken_over", p.TakenOver),
		))
	span.End()
}

// Settle implements ports.Payments. The queue's settlements do not say which key they are about.
func (s payments) Settle(ctx context.Context, st payment.Settlement) error {
	began := time.Now()
	err := s.Payments.Settle(ctx, st)
	key, _ := visitOf(ctx).known()
	if err == nil || key == "" {
		return err
	}
	_, span := s.tracing.tracer.Start(under(ctx, key), "settle",
		trace.WithTimestamp(began), trace.WithAttributes(
			attribute.String("paymentd.order_id", st.OrderID.String()),
			attribute.String("paymentd.state", string(st.Outcome.State)),
			attribute.Int64("paymentd.fence", st.Fence),
		))
	span.SetStatus(codes.Error, err.Error())
	span.End()
	return err
}
