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

// traceOf returns the trace of a payment with that gateway key: the bytes of the key, which is a
// UUID, so that each is found by the other.
func traceOf(key payment.GatewayKey) trace.TraceID {
	if id, err := uuid.Parse(string(key)); err == nil {
		return trace.TraceID(id)
	}
	sum := sha256.Sum256([]byte(key))
	return trace.TraceID(sum[:16])
}

// rootOf returns the id of the trace's root span.
func rootOf(id trace.TraceID) trace.SpanID { return trace.SpanID(id[8:]) }

// newSpanID returns one at random, and never that of a root, which begins with the bit 1 0 of a
// UUID's variant.
func newSpanID() (id trace.SpanID) {
	binary.BigEndian.PutUint64(id[:], rand.Uint64()>>1|1) //nolint:gosec // must differ, and may be guessed
	return id
}

// chosenKey is the context's key of a [chosen].
type chosenKey struct{}

// chosen is the ids of the span that is started next.
type chosen struct {
	trace trace.TraceID
	span  trace.SpanID
}

// ids makes the ids of spans, unless the context brings them.
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
