package tracing_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/adapters/httpapi"
	"paymentd/adapters/tracing"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

// approving approves each charge. It injects the trace into a header, as the HTTP gateway does.
type approving struct {
	ports.Gateway

	inject func(context.Context, http.Header)
}

func (g approving) Charge(ctx context.Context, _ payment.Charge) payment.Result {
	header := make(http.Header, 6)
	if g.inject != nil {
		g.inject(ctx, header)
	}
	return payment.Result{Class: payment.ClassApproved, TransactionID: "txn-1", Answered: true}
}

// storing stores nothing: each claim is of a new payment.
type storing struct{ ports.Payments }

func (storing) Claim(_ context.Context, r payment.ClaimRequest) (*payment.Payment, payment.Verdict, error) {
	return &payment.Payment{
		OrderID: r.OrderID, Money: r.Money, State: payment.StateProcessing, GatewayKey: r.NewKey, Fence: 1,
	}, payment.VerdictClaimed, nil
}

func (storing) Settle(context.Context, payment.Settlement) error { return nil }

// BenchmarkPayment makes payments through the HTTP interface, with a store and a gateway that cost
// nothing. The difference to tracing off is the cost of traces.
func BenchmarkPayment(b *testing.B) {
	var spans atomic.Int64
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		spans.Add(1)
	}))
	defer collector.Close()
	for _, part := range []string{"off", "0", "0.1", "1"} {
		b.Run("sampled="+part, func(b *testing.B) {
			log := slog.New(slog.NewJSONHandler(io.Discard, nil)) //nolint:sloglint // writing the lines is included
			var traces *tracing.Tracing
			if part != "off" {
				b.Setenv("OTEL_TRACES_SAMPLER", "traceidratio")
				b.Setenv("OTEL_TRACES_SAMPLER_ARG", part)
				var err error
				traces, err = tracing.New(b.Context(), tracing.Options{Endpoint: collector.URL, Replica: "a", Log: log})
				require.NoError(b, err)
				defer func() { require.NoError(b, traces.Stop(context.WithoutCancel(b.Context()))) }()
			}
			handler := benchmarked(b, traces, log)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				body := strings.NewReader(`{"order_id":"order-` + strconv.Itoa(i) + `","amount":100}`)
				r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/payments/process", body)
				r.Header.Set("Content-Type", "application/json")
				w := httptest.NewRecorder()
				if handler.ServeHTTP(w, r); w.Code != http.StatusOK {
					b.Fatal(w.Body)
				}
			}
		})
	}
}

// benchmarked returns the service, with traces unless they are nil.
func benchmarked(b *testing.B, traces *tracing.Tracing, log *slog.Logger) http.Handler {
	b.Helper()
	g := approving{Gateway: fake.NewGateway()}
	if traces != nil {
		g.inject = traces.Inject
	}
	service := core.New(core.Settings{
		Replica: "a",
		NewKey:  func() payment.GatewayKey { return payment.GatewayKey(uuid.Must(uuid.NewV7()).String()) },
		Lease:   time.Minute, Wait: 10 * time.Second, Late: time.Minute,
		LookupFirst: time.Minute, LookupMax: time.Minute,
		Workers: 4, Poll: time.Second, HeartbeatTimeout: time.Minute,
	}, traces.Payments(storing{fake.NewPayments()}), core.OneGateway(traces.Gateway(g), once{}), traces.Logger(log))
	b.Cleanup(func() { require.NoError(b, service.Stop(context.WithoutCancel(b.Context()))) })
	usd, err := payment.ParseCurrency("USD")
	require.NoError(b, err)
	o := httpapi.Options{
		Keys: fake.OpenAccess{}, AllowedHosts: httpapi.Hosts{"example.com"}, Currency: usd, MaxRequests: 10,
		ReadTimeout: time.Minute, WriteTimeout: time.Minute,
	}
	if traces == nil {
		return httpapi.New(service, o, log)
	}
	return traces.Handler(httpapi.New(traces.Service(service), o, traces.Logger(log)))
}

// once makes one attempt.
type once struct{}

func (once) Run(_ context.Context, r ports.Round) error { r.Again(r.Attempt()); return nil }
