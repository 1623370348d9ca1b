package tracing

import (
	"context"
	"net/http"
	"sync"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"paymentd/core/payment"
)

// visit is a request to charge. Its span is sent when it is answered, for only the claim tells
// which payment's trace it belongs to.
type visit struct {
	client trace.SpanContext // the client's own; not valid where it sent none

	mu   sync.Mutex
	key  payment.GatewayKey // empty until the payment is known
	span trace.SpanID
}

type visitKey struct{}

func visitOf(ctx context.Context) *visit {
	v, _ := ctx.Value(visitKey{}).(*visit)
	return v
}

// Handler lets the requests that next serves be traced, and their lines in the log name the trace.
func (t *Tracing) Handler(next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			next.ServeHTTP(w, r)
			return
		}
		v := &visit{span: newSpanID()}
		if len(r.Header["Traceparent"]) > 0 {
			client := propagation.TraceContext{}.Extract(context.Background(), propagation.HeaderCarrier(r.Header))
			v.client = trace.SpanContextFromContext(client)
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), visitKey{}, v)))
	})
}

// learn is told the payment's key. opened: the key was made for this request.
func (v *visit) learn(key payment.GatewayKey, opened bool) {
	if v == nil || key == "" {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if opened && v.key != key {
		v.span = rootOf(traceOf(key))
	}
	v.key = key
}

// known returns the payment's key, and the id of the request's span.
func (v *visit) known() (payment.GatewayKey, trace.SpanID) {
	if v == nil {
		return "", trace.SpanID{}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.key, v.span
}

// under returns a context in which a span starts as a part of the payment's trace: under the span
// of the request, where one is at work on it, and else under the root.
func under(ctx context.Context, key payment.GatewayKey) context.Context {
	id := traceOf(key)
	parent := rootOf(id)
	if at, span := visitOf(ctx).known(); at == key {
		parent = span
	}
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: id, SpanID: parent, TraceFlags: trace.FlagsSampled, Remote: true,
	}))
}
