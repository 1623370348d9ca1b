package tracing_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// span is a span that the collector received.
type span struct {
	trace, id, parent string
	name              string
	replica           string
	attributes        map[string]string
	linked            []string // traces
	failed            bool
}

// collector is an exporter that keeps the spans of one or more replicas.
type collector struct {
	mu    sync.Mutex
	spans []span
}

func (c *collector) ExportSpans(_ context.Context, spans []sdk.ReadOnlySpan) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range spans {
		c.spans = append(c.spans, spanOf(s))
	}
	return nil
}

func (*collector) Shutdown(context.Context) error { return nil }

func spanOf(s sdk.ReadOnlySpan) span {
	found := span{
		trace: s.SpanContext().TraceID().String(), id: s.SpanContext().SpanID().String(), name: s.Name(),
		attributes: make(map[string]string), failed: s.Status().Code == codes.Error,
	}
	if s.Parent().SpanID().IsValid() {
		found.parent = s.Parent().SpanID().String()
	}
	for _, a := range s.Attributes() {
		found.attributes[string(a.Key)] = a.Value.String()
	}
	for _, a := range s.Resource().Attributes() {
		if a.Key == "service.instance.id" {
			found.replica = a.Value.AsString()
		}
	}
	for _, l := range s.Links() {
		found.linked = append(found.linked, l.SpanContext.TraceID().String())
	}
	return found
}

// named returns the spans of a name.
func (c *collector) named(name string) (found []span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if s.name == name {
			found = append(found, s)
		}
	}
	return found
}

// requireOneTrace fails unless every span belongs to the trace, exactly one is a root, and every
// parent is one of the spans. It returns the root.
func (c *collector) requireOneTrace(t *testing.T, trace string) (root span) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	known := make(map[string]bool)
	for _, s := range c.spans {
		require.Equal(t, trace, s.trace, s)
		require.False(t, known[s.id], "two spans with one id: %v", s)
		known[s.id] = true
		if s.parent == "" {
			require.Empty(t, root.id, "a second root: %v", s)
			root = s
		}
	}
	require.NotEmpty(t, root.id, "no root: %v", c.spans)
	for _, s := range c.spans {
		require.True(t, s.parent == "" || known[s.parent], "unknown parent: %v", s)
	}
	return root
}
