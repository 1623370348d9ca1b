package tracing_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"paymentd/adapters/fake"
	"paymentd/adapters/httpapi"
	"paymentd/adapters/httpgateway"
	"paymentd/adapters/resilience"
	"paymentd/adapters/tracing"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
	"paymentd/ports/portstest"
)

// logbook is a log in memory.
type logbook struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (b *logbook) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lines.Write(line)
}

// lines returns the lines that contain all the words.
func (b *logbook) with(words ...string) (found []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
next:
	for line := range strings.Lines(b.lines.String()) {
		for _, w := range words {
			if !strings.Contains(line, w) {
				continue next
			}
		}
		found = append(found, line)
	}
	return found
}

// gateway is a server of the gateway protocol that handles the n-th charge, n from 1, with a
// function.
type gateway struct {
	url string

	mu      sync.Mutex
	charges int
	parents []string // the traceparent of each call
}

func startGateway(t *testing.T, charge func(n int, w http.ResponseWriter)) *gateway {
	t.Helper()
	g := &gateway{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		g.parents = append(g.parents, r.Method+" "+r.Header.Get("Traceparent"))
		if r.Method == http.MethodPost {
			g.charges++
		}
		n := g.charges
		g.mu.Unlock()
		w.Header().Set("Idempotency-Key", cmp.Or(r.Header.Get("Idempotency-Key"), path.Base(r.URL.Path))) // the mark
		if r.Method == http.MethodPost {
			charge(n, w)
			return
		}
		approve(w)
	}))
	t.Cleanup(server.Close)
	g.url = server.URL
	return g
}

func approve(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprint(w, `{"transaction_id":"txn-1","status":"succeeded"}`)
}

func (g *gateway) sent() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string(nil), g.parents...)
}

// replica is a service with its own tracing, on a repository that may be shared.
type replica struct {
	*core.Service
	http.Handler

	tracing *tracing.Tracing
	log     *logbook
}

const lease = 300 * time.Millisecond

func newReplica(
	t *testing.T, name string, payments ports.Payments, gatewayURL string, collector sdk.SpanExporter, key *string,
) *replica {
	t.Helper()
	r := &replica{log: &logbook{}}
	log := slog.New(slog.NewJSONHandler(r.log, nil))
	traces, err := tracing.NewWithExporter(t.Context(), tracing.Options{Version: "test", Replica: name, Log: log}, collector)
	require.NoError(t, err)
	r.tracing = traces
	gateway, err := httpgateway.New(gatewayURL, 10*time.Second, httpgateway.WithHeader(traces.Inject))
	require.NoError(t, err)
	guard := resilience.NewGuard(gateway, resilience.GuardOptions{Timeout: 10 * time.Second, MaxConcurrent: 10})
	r.Service = core.New(core.Settings{
		Replica: name,
		NewKey: func() payment.GatewayKey {
			fresh := uuid.Must(uuid.NewV7()).String()
			if *key == "" {
				*key = fresh
			}
			return payment.GatewayKey(fresh)
		},
		Lease: lease, Wait: 10 * time.Second, Late: time.Minute,
		LookupFirst: time.Minute, LookupMax: time.Minute,
		Workers: 4, Poll: 10 * time.Millisecond, HeartbeatTimeout: time.Minute,
	}, traces.Payments(payments), core.OneGateway(traces.Gateway(guard),
		resilience.NewRetry(resilience.RetryOptions{})), traces.Logger(log))
	usd, err := payment.ParseCurrency("USD")
	require.NoError(t, err)
	r.Handler = traces.Handler(httpapi.New(traces.Service(r.Service), httpapi.Options{
		Keys: fake.OpenAccess{}, AllowedHosts: httpapi.Hosts{"example.com"}, Currency: usd, MaxRequests: 10, ReadTimeout: time.Minute, WriteTimeout: time.Minute,
	}, traces.Logger(log)))
	return r
}

// pay sends a request to charge.
func (r *replica) pay(t *testing.T, header ...string) (code int) {
	t.Helper()
	request := httptest.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodPost,
		"/payments/process", strings.NewReader(`{"order_id":"order-1","amount":100}`))
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, request)
	return w.Code
}

func (r *replica) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, r.Stop(t.Context()))
	require.NoError(t, r.tracing.Stop(t.Context()))
}

const (
	clientTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	clientParent = "00-" + clientTrace + "-00f067aa0ba902b7-01"
)

// One replica hangs at the gateway until another one has taken the payment over from its queue and
// finished it.
func TestPayment_Takeover_HasOneTrace(t *testing.T) {
	t.Parallel()
	key, payments, traces := "", fake.NewPayments(), &collector{}
	release := make(chan struct{})
	gateway := startGateway(t, func(n int, w http.ResponseWriter) {
		if n == 1 {
			<-release
		}
		approve(w)
	})
	a := newReplica(t, "replica-a", payments, gateway.url, traces, &key)
	b := newReplica(t, "replica-b", payments, gateway.url, traces, new(string))

	code := make(chan int)
	go func() { code <- a.pay(t, "Traceparent", clientParent) }()
	require.Eventually(t, func() bool { return len(gateway.sent()) == 1 }, 10*time.Second, time.Millisecond)
	queue, stopQueue := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() { defer close(over); b.RunQueue(queue) }()
	require.Eventually(t, func() bool {
		p, err := payments.Find(t.Context(), "order-1")
		return err == nil && p.State == payment.StateSucceeded
	}, 10*time.Second, time.Millisecond)
	close(release)
	require.Equal(t, http.StatusOK, <-code)
	require.Equal(t, http.StatusOK, b.pay(t), "a replay")
	stopQueue()
	<-over
	a.stop(t)
	b.stop(t)

	trace := strings.ReplaceAll(key, "-", "")
	root := traces.requireOneTrace(t, trace)
	require.Equal(t, "process payment", root.name)
	require.Equal(t, "replica-a", root.replica)
	require.Equal(t, []string{clientTrace}, root.linked)
	require.Equal(t, "succeeded", root.attributes["paymentd.state"])
	require.Len(t, traces.named("process payment"), 2, "and the replay")

	charges := make(map[string]span)
	for _, s := range traces.named("charge") {
		charges[s.replica] = s
		require.Equal(t, root.id, s.parent)
		require.Contains(t, gateway.sent(), "POST 00-"+trace+"-"+s.id+"-01")
	}
	require.Len(t, charges, 2)
	require.Len(t, gateway.sent(), 2)
	var takeovers []string
	for _, s := range traces.named("claim") {
		if s.attributes["paymentd.taken_over"] == "true" {
			takeovers = append(takeovers, s.replica+" for "+s.attributes["paymentd.replica"])
		}
	}
	require.Equal(t, []string{"replica-b for replica-b"}, takeovers)
	refused := 0
	for _, s := range traces.named("settle") {
		if s.failed {
			refused++
		}
	}
	require.Equal(t, 1, refused, "the one of the worker that was taken over")

	named := `"trace_id":"` + trace + `"`
	require.Len(t, a.log.with(`"msg":"request"`, `"order_id":"order-1"`, named), 1)
	require.Len(t, a.log.with("fenced out with an approval", `"order_id":"order-1"`, named), 1)
	require.Len(t, b.log.with("payment resumed", `"order_id":"order-1"`, named), 1)
}

// Lookups and concurrent requests for the order belong to the same trace.
func TestPayment_LookupAndFollowers_HaveOneTrace(t *testing.T) {
	t.Parallel()
	key, traces := "", &collector{}
	release := make(chan struct{})
	gateway := startGateway(t, func(_ int, w http.ResponseWriter) {
		<-release
		w.WriteHeader(http.StatusInternalServerError)
	})
	a := newReplica(t, "replica-a", fake.NewPayments(), gateway.url, traces, &key)
	codes := make(chan int)
	for range 3 {
		go func() { codes <- a.pay(t) }()
	}
	require.Eventually(t, func() bool { return a.Waiting() == 2 && len(gateway.sent()) == 1 }, 10*time.Second, time.Millisecond)
	close(release)
	for range 3 {
		require.Equal(t, http.StatusOK, <-codes)
	}
	a.stop(t)

	trace := strings.ReplaceAll(key, "-", "")
	traces.requireOneTrace(t, trace)
	require.Len(t, traces.named("process payment"), 3)
	charges, lookups := traces.named("charge"), traces.named("look up")
	require.Len(t, charges, 1)
	require.True(t, charges[0].failed)
	require.Equal(t, "unknown_answered", charges[0].attributes["paymentd.class"])
	require.Len(t, lookups, 1)
	require.Equal(t, []string{
		"POST 00-" + trace + "-" + charges[0].id + "-01", "GET 00-" + trace + "-" + lookups[0].id + "-01",
	}, gateway.sent())
	require.Len(t, a.log.with(`"msg":"request"`, `"trace_id":"`+trace+`"`), 3)
}

// An unavailable collector is logged once, and does not affect payments.
func TestCollector_Unavailable_IsLoggedOnce(t *testing.T) {
	t.Parallel()
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest) // is not retried
	}))
	defer collector.Close()
	client, err := otlptracehttp.New(t.Context(), otlptracehttp.WithEndpointURL(collector.URL))
	require.NoError(t, err)
	gateway := startGateway(t, func(_ int, w http.ResponseWriter) { approve(w) })
	a := newReplica(t, "replica-a", fake.NewPayments(), gateway.url, client, new(string))
	require.Equal(t, http.StatusOK, a.pay(t))
	a.stop(t)
	require.Len(t, a.log.with("the collector does not accept traces"), 1)
}

// The gateway receives the decision, so that it does not sample on its own.
func TestPayment_NotSampled_HasNoSpans(t *testing.T) {
	t.Setenv("OTEL_TRACES_SAMPLER", "always_off")
	key, traces := "", &collector{}
	gateway := startGateway(t, func(_ int, w http.ResponseWriter) { approve(w) })
	a := newReplica(t, "replica-a", fake.NewPayments(), gateway.url, traces, &key)
	require.Equal(t, http.StatusOK, a.pay(t, "Traceparent", clientParent))
	a.stop(t)
	require.Empty(t, traces.spans)
	trace := strings.ReplaceAll(key, "-", "")
	require.Equal(t, []string{"POST 00-" + trace + "-" + trace[16:] + "-00"}, gateway.sent())
	require.Len(t, a.log.with(`"msg":"request"`, `"trace_id":"`+trace+`"`), 1)
}

// Tracing that is off wraps nothing.
func TestTracing_Off_WrapsNothing(t *testing.T) {
	t.Parallel()
	var off *tracing.Tracing
	payments, gateway, log := fake.NewPayments(), fake.NewGateway(), slog.New(slog.DiscardHandler)
	require.Same(t, payments, off.Payments(payments))
	require.Same(t, gateway, off.Gateway(gateway))
	require.Same(t, log, off.Logger(log))
	mux := http.NewServeMux()
	require.Same(t, mux, off.Handler(mux))
	require.NoError(t, off.Stop(t.Context()))
}

// A traced repository keeps the contract.
func TestPayments_Contract(t *testing.T) {
	t.Parallel()
	traces, err := tracing.NewWithExporter(t.Context(), tracing.Options{Log: slog.New(slog.DiscardHandler)}, &collector{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, traces.Stop(context.WithoutCancel(t.Context()))) })
	portstest.Payments(t, func(testing.TB) ports.Payments { return traces.Payments(fake.NewPayments()) })
}
