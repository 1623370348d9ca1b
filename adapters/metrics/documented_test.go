package metrics_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/adapters/metrics"
)

var (
	row   = regexp.MustCompile("(?m)^\\| `(paymentd_[a-z_]+)` \\| ?([^|]*?) ?\\|")
	label = regexp.MustCompile(`([a-z_]+)="`)
)

// everything has a series of each metric.
func everything() *metrics.Metrics {
	m := metrics.New("test")
	m.Sample(pooled{fake.NewPayments()}, counts(0))
	m.Certificate(time.Now)
	m.Log(func() uint64 { return 7 })
	m.Keys(func() time.Duration { return time.Second })
	m.Webhooks(courier{}, fake.NewPayments().Outbox())
	m.Gateway("bank", fixed{})
	m.Guard("bank", protection{})
	m.EventEnded("bank", "accepted")
	m.RequestBegan("/metrics")
	m.RequestEnded("/metrics", 200, time.Millisecond, false)
	return m
}

// docs/metrics.md has the exported names and labels.
func TestMetrics_AreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/metrics.md")
	require.NoError(t, err)
	documented := make(map[string]string)
	for _, found := range row.FindAllStringSubmatch(string(page), -1) {
		documented[found[1]] = strings.NewReplacer("`", "", ",", "").Replace(strings.TrimSpace(found[2]))
	}

	exported := make(map[string]string)
	histogram := regexp.MustCompile(`_(bucket|sum|count)$`)
	for name := range scrape(t, everything()).ours() {
		base, labels, _ := strings.Cut(name, "{")
		var names []string
		for _, found := range label.FindAllStringSubmatch(labels, -1) {
			if found[1] != "le" {
				names = append(names, found[1])
			}
		}
		exported[histogram.ReplaceAllString(base, "")] = strings.Join(names, " ")
	}
	for name, labels := range documented { // prose is free to name them in another order
		words := strings.Fields(labels)
		slices.Sort(words)
		documented[name] = strings.Join(words, " ")
	}
	require.Equal(t, exported, documented)
}

// TestMetrics_Names_PassPromlint asks Prometheus' own linter.
func TestMetrics_Names_PassPromlint(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	everything().Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	problems, err := promlint.New(w.Body).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
}
