package tracing

import (
	"context"
	"net/http"
	"sync"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"paymentd/core/payment"
)

// request is a traced request to charge. Its span is created when the response is known, because only
// the claim determines the payment, and with it the trace and whether it is sampled.
type request struct {
	client trace.SpanContext // of the client; not valid if it sent none

	mu  sync.Mutex
	own position
}

// position is where a request is in the trace of its payment.
type position struct {
	key   payment.GatewayKey // empty until the payment is known
	trace trace.TraceID
	span  trace.SpanID // of the request
}

type requestKey struct{}

func requestOf(ctx context.Context) *request {
	r, _ := ctx.Value(requestKey{}).(*request)
	return r
}

// Handler traces the requests that next serves, and adds the trace to their log lines.
func (t *Tracing) Handler(next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			next.ServeHTTP(w, r)
			return
		}
		traced := &request{}
		if len(r.Header["Traceparent"]) > 0 {
			client := propagation.TraceContext{}.Extract(context.Background(), propagation.HeaderCarrier(r.Header))
			traced.client = trace.SpanContextFromContext(client)
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestKey{}, traced)))
	})
}

// learn sets the gateway key of the payment. isNew means that the key was created for this request,
// whose span is therefore the root of the trace.
func (r *request) learn(key payment.GatewayKey, isNew bool) {
	if r == nil || key == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.own.key == key {
		return
	}
	r.own.key, r.own.trace = key, traceOf(key)
	switch {
	case isNew:
		r.own.span = rootOf(r.own.trace)
	case !r.own.span.IsValid():
		r.own.span = newSpanID()
	}
}

// position returns where the request is in its trace. Its key is empty if the payment is not known.
func (r *request) position() position {
	if r == nil {
		return position{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.own
}

// withParent returns a context in which the next span is part of the payment's trace, which is sampled.
// Its parent is the span of the request if ctx has one for this payment, and the root span otherwise.
func withParent(ctx context.Context, key payment.GatewayKey, id trace.TraceID) context.Context {
	parent := rootOf(id)
	if p := requestOf(ctx).position(); p.key == key && key != "" {
		parent = p.span
	}
	return withSpan(ctx, id, parent, trace.FlagsSampled)
}

// unsampled returns a context for [Tracing.Inject] that says that the payment's trace is not sampled.
func unsampled(ctx context.Context, id trace.TraceID) context.Context {
	return withSpan(ctx, id, rootOf(id), 0)
}

func withSpan(ctx context.Context, id trace.TraceID, span trace.SpanID, flags trace.TraceFlags) context.Context {
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: id, SpanID: span, TraceFlags: flags, Remote: true,
	}))
}
