package tracing_test

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// span is a span that a collector received.
type span struct {
	trace, id, parent string
	name              string
	replica           string
	attributes        map[string]string
	linked            []string // traces
	failed            bool
}

// collector receives traces by OTLP over HTTP.
type collector struct {
	url string

	mu    sync.Mutex
	spans []span
}

func startCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		spans, err := decode(r)
		if err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("no traces at %s: %v", r.URL, err)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.spans = append(c.spans, spans...)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

func decode(r *http.Request) (spans []span, err error) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		if body, err = gzip.NewReader(body); err != nil {
			return nil, err
		}
	}
	encoded, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	var sent tracepb.TracesData // has the same encoding as the request of the protocol
	if err := proto.Unmarshal(encoded, &sent); err != nil {
		return nil, err
	}
	for _, of := range sent.GetResourceSpans() {
		replica := values(of.GetResource().GetAttributes())["service.instance.id"]
		for _, scope := range of.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				spans = append(spans, spanOf(s, replica))
			}
		}
	}
	return spans, nil
}

func spanOf(s *tracepb.Span, replica string) span {
	found := span{
		trace: hex.EncodeToString(s.GetTraceId()), id: hex.EncodeToString(s.GetSpanId()),
		parent: hex.EncodeToString(s.GetParentSpanId()), name: s.GetName(), replica: replica,
		attributes: values(s.GetAttributes()),
		failed:     s.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR,
	}
	for _, l := range s.GetLinks() {
		found.linked = append(found.linked, hex.EncodeToString(l.GetTraceId()))
	}
	return found
}

func values(attributes []*commonpb.KeyValue) map[string]string {
	all := make(map[string]string)
	for _, a := range attributes {
		switch v := a.GetValue().GetValue().(type) {
		case *commonpb.AnyValue_StringValue:
			all[a.GetKey()] = v.StringValue
		case *commonpb.AnyValue_BoolValue:
			all[a.GetKey()] = map[bool]string{true: "true", false: "false"}[v.BoolValue]
		}
	}
	return all
}

// named returns the spans of that name.
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

// requireOneTrace requires that all spans belong to that trace, with one root, and that each parent
// is one of the spans. It returns the root.
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
		require.True(t, s.parent == "" || known[s.parent], "an unknown parent: %v", s)
	}
	return root
}
