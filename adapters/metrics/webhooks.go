package metrics

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"paymentd/core/delivery"
	"paymentd/core/endpoint"
	"paymentd/ports"
)

// Courier delivers events.
type Courier interface {
	Attempts(delivery.Result) uint64
	Endpoints() []endpoint.Endpoint
}

// Webhooks registers the metrics of a courier, and of what waits in the outbox.
func (m *Metrics) Webhooks(courier Courier, outbox ports.Outbox) {
	m.registry.MustRegister(newWebhooks(courier, outbox))
}

// labelEndpoint has the id of an endpoint: at most endpoint.MaxEndpoints values at a time.
const labelEndpoint = "endpoint"

// webhooks collects the metrics of the webhook endpoints.
type webhooks struct {
	courier Courier
	outbox  ports.Outbox

	attempts, endpoints, failing, waiting, oldest *prometheus.Desc

	mu    sync.Mutex // held during a sample, so that concurrent scrapes share it
	at    time.Time
	found map[endpoint.ID]waitingEvents
}

// waitingEvents are the events of one endpoint that wait.
type waitingEvents struct {
	n      int
	oldest time.Duration
}

func newWebhooks(courier Courier, outbox ports.Outbox) *webhooks {
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &webhooks{
		courier: courier, outbox: outbox,
		attempts:  describe("paymentd_webhook_attempts_total", "Attempts to deliver an event to a webhook endpoint, by result.", "result"),
		endpoints: describe("paymentd_webhook_endpoints", "Webhook endpoints, by state.", "state"),
		failing: describe("paymentd_webhook_failing_seconds",
			"How long every delivery to a webhook endpoint has failed; 0 if the latest succeeded.", labelEndpoint),
		waiting: describe("paymentd_webhook_waiting", "Events that wait for their delivery, by endpoint.", labelEndpoint),
		oldest: describe("paymentd_webhook_oldest_seconds",
			"Age of the oldest event that waits for its delivery, by endpoint; 0 if there is none.", labelEndpoint),
	}
}

// Describe implements prometheus.Collector.
func (w *webhooks) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{w.attempts, w.endpoints, w.failing, w.waiting, w.oldest} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (w *webhooks) Collect(ch chan<- prometheus.Metric) {
	for _, r := range delivery.Results() {
		ch <- prometheus.MustNewConstMetric(w.attempts, prometheus.CounterValue, float64(w.courier.Attempts(r)), r.String())
	}
	gauge := func(d *prometheus.Desc, v float64, label string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, label)
	}
	all, states := w.courier.Endpoints(), make(map[endpoint.State]int)
	for _, e := range all {
		states[e.State]++
		failing := 0.0
		if !e.FailingSince.IsZero() {
			failing = max(0, e.SeenAt.Sub(e.FailingSince).Seconds())
		}
		gauge(w.failing, failing, string(e.ID))
	}
	for _, s := range endpoint.States() {
		gauge(w.endpoints, float64(states[s]), string(s))
	}
	for id, found := range w.sample(all) {
		gauge(w.waiting, float64(found.n), string(id))
		gauge(w.oldest, found.oldest.Seconds(), string(id))
	}
}

// sample returns a sample that is at most sampleEvery old. Endpoints whose events could not be counted are left out.
func (w *webhooks) sample(all []endpoint.Endpoint) map[endpoint.ID]waitingEvents {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.at.IsZero() && time.Since(w.at) < sampleEvery {
		return w.found
	}
	ctx, cancel := context.WithTimeout(context.Background(), sampleTimeout)
	defer cancel()
	w.at, w.found = time.Now(), make(map[endpoint.ID]waitingEvents, len(all))
	for _, e := range all {
		n, oldest, err := w.outbox.Waiting(ctx, e.ID)
		if err != nil {
			break // the database is not available
		}
		w.found[e.ID] = waitingEvents{n, oldest}
	}
	return w.found
}
