package tracing

import (
	"context"
	"log/slog"

	"paymentd/core/payment"
)

// Logger returns a logger that adds the trace_id to lines about a payment: those of a request, and
// those that have the payment's gateway key.
func (t *Tracing) Logger(log *slog.Logger) *slog.Logger {
	if t == nil {
		return log
	}
	return slog.New(handler{log.Handler()})
}

type handler struct{ slog.Handler }

// Handle implements slog.Handler.
func (h handler) Handle(ctx context.Context, r slog.Record) error {
	at := requestOf(ctx).position()
	if at.key == "" {
		r.Attrs(func(a slog.Attr) bool {
			if a.Key == "gateway_key" {
				at.key = payment.GatewayKey(a.Value.String())
				at.trace = traceOf(at.key)
			}
			return at.key == ""
		})
	}
	if at.key != "" {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", at.trace.String()))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name)} }
