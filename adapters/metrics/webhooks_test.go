package metrics_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/adapters/metrics"
	"paymentd/core/delivery"
	"paymentd/core/endpoint"
)

// courier has two endpoints, one of which fails.
type courier struct{}

func (courier) Attempts(r delivery.Result) uint64 { return uint64(r) + 1 }

func (courier) Endpoints() []endpoint.Endpoint {
	now := time.Now()
	return []endpoint.Endpoint{
		{ID: "ep_1", State: endpoint.StateActive, FailingSince: now.Add(-time.Hour), SeenAt: now},
		{ID: "ep_2", State: endpoint.StateSwitchedOff, SeenAt: now},
	}
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	m := metrics.New("test")
	m.Webhooks(courier{}, fake.NewPayments().Outbox())
	found := scrape(t, m).ours()
	for name, want := range map[string]float64{
		`paymentd_webhook_attempts_total{result="delivered"}`:  1,
		`paymentd_webhook_attempts_total{result="refused"}`:    2,
		`paymentd_webhook_attempts_total{result="unanswered"}`: 3,
		`paymentd_webhook_endpoints{state="active"}`:           1,
		`paymentd_webhook_endpoints{state="disabled"}`:         0,
		`paymentd_webhook_endpoints{state="switched_off"}`:     1,
		`paymentd_webhook_failing_seconds{endpoint="ep_1"}`:    3600,
		`paymentd_webhook_failing_seconds{endpoint="ep_2"}`:    0,
		`paymentd_webhook_waiting{endpoint="ep_1"}`:            0,
		`paymentd_webhook_oldest_seconds{endpoint="ep_1"}`:     0,
	} {
		require.Contains(t, found, name)
		require.InDelta(t, want, found[name], 0.1, name)
	}
}
