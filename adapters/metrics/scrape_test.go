package metrics_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/metrics"
)

// series are the series of a scrape by name and labels.
type series map[string]float64

func scrape(t *testing.T, m *metrics.Metrics) series {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	require.Equal(t, http.StatusOK, w.Code)
	s := make(series)
	for line := range strings.Lines(w.Body.String()) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		cut := strings.LastIndexByte(line, ' ')
		value, err := strconv.ParseFloat(line[cut+1:], 64)
		require.NoError(t, err, line)
		s[line[:cut]] = value
	}
	return s
}

// ours removes the metrics of the process and of Go.
func (s series) ours() series {
	ours := make(series)
	for name, value := range s {
		if strings.HasPrefix(name, "paymentd_") {
			ours[name] = value
		}
	}
	return ours
}

// changed returns the counts that increased: counters, and the counts of histograms.
func (s series) changed(before series) map[string]int {
	up := make(map[string]int)
	for name, value := range s.ours() {
		base, _, _ := strings.Cut(name, "{")
		if !strings.HasSuffix(base, "_total") && !strings.HasSuffix(base, "_count") {
			continue
		}
		if by := value - before[name]; by != 0 {
			up[name] = int(by)
		}
	}
	return up
}
