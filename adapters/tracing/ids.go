package tracing

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"

	"paymentd/core/payment"
)

// traceOf returns the trace id of a payment: the bytes of its gateway key, which is a UUID, so that
// one can be found with the other.
func traceOf(key payment.GatewayKey) trace.TraceID {
	if id, err := uuid.Parse(string(key)); err == nil {
		return trace.TraceID(id)
	}
	sum := sha256.Sum256([]byte(key))
	return trace.TraceID(sum[:16])
}

// rootOf returns the id of the trace's root span.
func rootOf(id trace.TraceID) trace.SpanID { return trace.SpanID(id[8:]) }

// newSpanID returns a random id that is not a root's, because a root's id begins with the bits 1 0
// of a UUID's variant.
func newSpanID() (id trace.SpanID) {
	binary.BigEndian.PutUint64(id[:], rand.Uint64()>>1|1) //nolint:gosec // must differ, but may be predictable
	return id
}

// chosenKey is the context key of a [chosen].
type chosenKey struct{}

// chosen has the ids of the next span.
type chosen struct {
	trace trace.TraceID
	span  trace.SpanID
}

// ids generates the ids of spans, unless the context has them.
type ids struct{}

// NewIDs implements the generator of the SDK.
func (ids) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	if c, ok := ctx.Value(chosenKey{}).(chosen); ok {
		return c.trace, c.span
	}
	return trace.TraceID(uuid.New()), newSpanID()
}

// NewSpanID implements the generator of the SDK.
func (ids) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	if c, ok := ctx.Value(chosenKey{}).(chosen); ok {
		return c.span
	}
	return newSpanID()
}
