package metrics_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/adapters/httpapi"
	"paymentd/adapters/metrics"
	"paymentd/adapters/resilience"
	"paymentd/core"
	"paymentd/core/payment"
)

// service is the core and its API with metrics, on fakes.
type service struct {
	http.Handler

	metrics *metrics.Metrics
	gateway *fake.Gateway
}

func newService(t testing.TB) service {
	t.Helper()
	s := service{metrics: metrics.New("test"), gateway: fake.NewGateway()}
	payments := fake.NewPayments()
	c := core.New(core.Settings{
		Replica: "a", NewKey: func() payment.GatewayKey { return payment.GatewayKey(rand.Text()) },
		Lease: time.Minute, Wait: time.Second, Late: time.Minute,
		LookupFirst: time.Second, LookupMax: time.Minute,
		Workers: 1, Poll: time.Second, HeartbeatTimeout: time.Second,
	}, s.metrics.Payments(payments), core.OneGateway(s.metrics.Gateway("bank", s.gateway),
		resilience.NewRetry(resilience.RetryOptions{})), slog.New(slog.DiscardHandler))
	s.metrics.Sample(payments, c)
	usd, err := payment.ParseCurrency("USD")
	require.NoError(t, err)
	s.Handler = httpapi.New(c, httpapi.Options{
		Keys: fake.OpenAccess{}, AllowedHosts: httpapi.Hosts{"example.com"}, Currency: usd, MaxRequests: 100, Metrics: s.metrics.Handler(), Observer: s.metrics,
		ReadTimeout: time.Minute, WriteTimeout: time.Minute,
	}, slog.New(slog.DiscardHandler))
	return s
}

// send makes a request with any method and path.
func (s service) send(t testing.TB, method, path, body string) int {
	t.Helper()
	r := httptest.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodPost, "/", strings.NewReader(body))
	r.Method, r.URL.Path, r.URL.RawPath = method, path, ""
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code
}

func TestRequests_AreCounted(t *testing.T) {
	t.Parallel()
	s := newService(t)
	before := scrape(t, s.metrics)
	const body = `{"order_id":"order-1","amount":100}`
	require.Equal(t, 200, s.send(t, "POST", "/payments/process", body))
	require.Equal(t, 200, s.send(t, "POST", "/payments/process", body))
	require.Equal(t, 422, s.send(t, "POST", "/payments/process", `{"order_id":"order-1","amount":1}`))
	require.Equal(t, 200, s.send(t, "GET", "/payments/order-1", ""))
	require.Equal(t, 404, s.send(t, "GET", "/nowhere", ""))
	require.Equal(t, 200, s.send(t, "GET", "/metrics", ""))
	up := scrape(t, s.metrics).changed(before)
	for name, want := range map[string]int{
		`paymentd_http_request_duration_seconds_count{route="/payments/process",status="200"}`:   2,
		`paymentd_http_request_duration_seconds_count{route="/payments/process",status="422"}`:   1,
		`paymentd_http_request_duration_seconds_count{route="/payments/:order_id",status="200"}`: 1,
		`paymentd_http_request_duration_seconds_count{route="other",status="404"}`:               1,
		`paymentd_http_request_duration_seconds_count{route="/metrics",status="200"}`:            1,
		`paymentd_replays_total`:                       1,
		`paymentd_claims_total{verdict="mismatch"}`:    1,
		`paymentd_claims_total{verdict="replay"}`:      1,
		`paymentd_payments_total{outcome="succeeded"}`: 1,
	} {
		require.Equal(t, want, up[name], name)
	}
	require.Equal(t, 1, up[`paymentd_attempt_duration_seconds_count{class="approved",gateway="bank",operation="charge"}`])
	require.Zero(t, scrape(t, s.metrics)[`paymentd_http_requests_in_flight{route="/payments/process"}`])
}

// Client and gateway input creates no series: after a thousand requests of each kind there are as
// many as after one.
func TestLabels_AnyInput_AreBounded(t *testing.T) {
	t.Parallel()
	s := newService(t)
	n := 0
	s.gateway.OnCharge(func(payment.Charge) fake.Step {
		n++
		if n%2 == 0 {
			return fake.Decline(fmt.Sprintf("code %d\n\"}", n))
		}
		return fake.Approve()
	})
	hostile := func(i int) {
		order := fmt.Sprintf(`order-%d\"},{=~`, i) + strings.Repeat("x", i%100)
		for _, path := range []string{
			fmt.Sprintf("/payments/order-%d", i), fmt.Sprintf("/%d", i), fmt.Sprintf("/payments/a/%d", i),
			fmt.Sprintf("/payments/\"} %d 1\n", i), fmt.Sprintf("/metrics/%d", i), "/payments/:order_id",
			fmt.Sprintf("/payments/%c%c", 0x4e00+i, 0xfffd), fmt.Sprintf("/docs/%d", i),
		} {
			for _, method := range []string{"GET", "POST", "OPTIONS", fmt.Sprintf("M%d", i)} {
				s.send(t, method, path, fmt.Sprintf(`{"order_id":%d}`, i))
			}
		}
		s.send(t, "POST", "/payments/process", `{"order_id":"`+order+`","amount":`+strconv.Itoa(i+1)+`}`)
		s.send(t, "POST", "/payments/process", fmt.Sprintf(`{"order_id":"order-%d","amount":%d,"currency":"KWD"}`, i, i+1))
		s.send(t, "POST", "/payments/process", fmt.Sprintf(`{"order_id":"order-%d","amount":1,"x%d":1}`, i, i))
	}
	for i := range 2 { // one is declined
		hostile(i)
	}
	some := scrape(t, s.metrics)
	for i := range 1000 {
		hostile(i + 2)
	}
	require.Len(t, scrape(t, s.metrics), len(some))
}

// Unexpected values of an API or an adapter are bounded as well.
func TestLabels_UnexpectedValues_AreBounded(t *testing.T) {
	t.Parallel()
	m := metrics.New("test")
	for i := range 10_000 {
		label := strconv.Itoa(i)
		m.RequestBegan(label)
		m.RequestEnded(label, i, time.Second, false)
		m.Gateway("bank", fixed{
			result: payment.Result{Class: payment.Class(label)}, lookup: payment.Lookup{Result: payment.LookupResult(label)},
		}).Charge(t.Context(), payment.Charge{})
	}
	byMetric := make(map[string]int)
	for name := range scrape(t, m).ours() {
		base, _, _ := strings.Cut(name, "{")
		byMetric[base]++
	}
	require.LessOrEqual(t, byMetric["paymentd_http_request_duration_seconds_count"], 257)
	require.LessOrEqual(t, byMetric["paymentd_http_requests_in_flight"], 33)
	require.Equal(t, 10*len(payment.Kinds()), byMetric["paymentd_attempt_duration_seconds_count"])
	inFlight := 0.0
	for name, value := range scrape(t, m) {
		if strings.HasPrefix(name, "paymentd_http_requests_in_flight") {
			inFlight += value
		}
	}
	require.Zero(t, inFlight)
}

// Counting a payment does not allocate.
func TestPayments_Counting_DoesNotAllocate(t *testing.T) { //nolint:paralleltest // it counts allocations
	m := metrics.New("test")
	g := m.Gateway("bank", fixed{result: payment.Result{Class: payment.ClassApproved, TransactionID: "txn-1"}})
	p := m.Payments(still{claimed: &payment.Payment{}})
	for name, count := range map[string]func(){
		"request": func() {
			m.RequestBegan("/payments/process")
			m.RequestEnded("/payments/process", 200, time.Millisecond, true)
		},
		"attempt": func() { g.Charge(context.Background(), payment.Charge{}) },
		"claim":   func() { _, _, _ = p.Claim(context.Background(), payment.ClaimRequest{}) },
		"settle":  func() { _ = p.Settle(context.Background(), payment.Settlement{}) },
	} {
		count()
		require.Zero(t, testing.AllocsPerRun(100, count), name)
	}
}
