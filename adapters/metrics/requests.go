package metrics

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// maxRoutes and maxAnswers bound the series, in case routes ever depend on client input.
	maxRoutes  = 32
	maxAnswers = 256
)

// answer has the labels of a response.
type answer struct {
	route  string
	status int
}

// requests has the series of requests, which are created when a route or status first occurs.
type requests struct {
	durations *prometheus.HistogramVec
	inFlight  *prometheus.GaugeVec

	mu       sync.RWMutex
	answered map[answer]prometheus.Observer
	serving  map[string]prometheus.Gauge
}

// RequestBegan counts a request. The route is the API's pattern, or empty for an unknown path.
func (m *Metrics) RequestBegan(route string) { m.requests.gauge(route).Inc() }

// RequestEnded counts the response to a request. replayed means that it is about a charge of an
// earlier request.
func (m *Metrics) RequestEnded(route string, status int, took time.Duration, replayed bool) {
	m.requests.gauge(route).Dec()
	m.requests.observer(route, status).Observe(took.Seconds())
	if replayed {
		m.replays.Inc()
	}
}

func (r *requests) gauge(route string) prometheus.Gauge {
	r.mu.RLock()
	g, known := r.serving[route]
	r.mu.RUnlock()
	if known {
		return g
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.serving) >= maxRoutes {
		return r.inFlight.WithLabelValues(other)
	}
	g = r.inFlight.WithLabelValues(nameOf(route))
	r.serving[route] = g
	// Prometheus sees no increase in a series that begins at one, so these series begin at zero.
	for _, status := range []int{http.StatusInternalServerError, http.StatusServiceUnavailable} {
		r.add(answer{route, status})
	}
	return g
}

func (r *requests) observer(route string, status int) prometheus.Observer {
	a := answer{route, status}
	r.mu.RLock()
	o, known := r.answered[a]
	r.mu.RUnlock()
	if known {
		return o
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.add(a)
}

// add creates the series of a response. r.mu must be held.
func (r *requests) add(a answer) prometheus.Observer {
	if len(r.answered) >= maxAnswers {
		return r.durations.WithLabelValues(other, other)
	}
	code := other
	if http.StatusText(a.status) != "" {
		code = strconv.Itoa(a.status)
	}
	o := r.durations.WithLabelValues(nameOf(a.route), code)
	r.answered[a] = o
	return o
}

func nameOf(route string) string {
	if route == "" {
		return other
	}
	return route
}
