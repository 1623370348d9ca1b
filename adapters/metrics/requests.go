package metrics

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// maxRoutes and maxAnswers bound the series of requests, should an API ever name its
	// routes after what a client sends.
	maxRoutes  = 32
	maxAnswers = 256
)

// answer is the labels of a request that was answered.
type answer struct {
	route  string
	status int
}

// requests is the series of the requests, by routes and statuses that come as they come.
type requests struct {
	durations *prometheus.HistogramVec
	inFlight  *prometheus.GaugeVec

	mu       sync.RWMutex
	answered map[answer]prometheus.Observer
	serving  map[string]prometheus.Gauge
}

// RequestBegan counts a request to a route. The route is the API's pattern, and empty for a path
// that it does not know.
func (m *Metrics) RequestBegan(route string) { m.requests.gauge(route).Inc() }

// RequestEnded counts the answer to a request that began. replayed says that it told of a charge
// that the request did not make.
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
	// Prometheus sees no increase in a series that begins at one. The first fault shall count.
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

// add makes the series of an answer. r.mu is held.
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
