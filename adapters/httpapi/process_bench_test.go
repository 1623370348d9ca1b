package httpapi_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"paymentd/adapters/fake"
	"paymentd/adapters/httpapi"
	"paymentd/adapters/resilience"
	"paymentd/core"
	"paymentd/core/payment"
)

// approving gives every request the same answer, and stores nothing.
type approving struct{ httpapi.Processor }

func (approving) Process(context.Context, core.Request) (core.Answer, error) { return approved, nil }

// BenchmarkProcess is a request to charge a new order, which is approved: the whole handler with
// the log, without net/http's connection.
func BenchmarkProcess(b *testing.B) {
	log := slog.New(slog.NewJSONHandler(io.Discard, nil)) //nolint:sloglint // writing the lines is included
	for _, c := range []struct {
		name      string
		processor func() httpapi.Processor
	}{
		{"API", func() httpapi.Processor { return approving{} }},
		{"API and core", func() httpapi.Processor { return inMemory(log) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			handler := httpapi.New(c.processor(), options(b), log)
			b.ReportAllocs()
			for order := 0; b.Loop(); order++ {
				body := strings.NewReader(`{"order_id":"order-` + strconv.Itoa(order) + `","amount":100.00}`)
				request := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/payments/process", body)
				request.Header.Set("Content-Type", "application/json")
				answer := httptest.NewRecorder()
				handler.ServeHTTP(answer, request)
				if answer.Code != http.StatusOK {
					b.Fatal(answer.Code, answer.Body)
				}
			}
		})
	}
}

// inMemory is the whole service without the database and the gateway.
func inMemory(log *slog.Logger) *core.Service {
	keys := 0
	return core.New(core.Settings{
		Replica: "replica-a",
		NewKey: func() payment.GatewayKey {
			keys++
			return payment.GatewayKey("key-" + strconv.Itoa(keys))
		},
		Lease: time.Minute, Wait: time.Second, Late: time.Minute, LookupFirst: time.Second, LookupMax: time.Minute,
		Workers: 1, Poll: time.Second, HeartbeatTimeout: time.Minute,
	}, fake.NewPayments(), core.OneGateway(fake.NewGateway(), resilience.NewRetry(resilience.RetryOptions{})), log)
}
