package metrics

import (
	"database/sql"

	"github.com/prometheus/client_golang/prometheus"
)

// pooled is a repository with statistics of its connections.
type pooled interface {
	// Pools returns the statistics of each pool by name. The names do not change.
	Pools() map[string]sql.DBStats
}

var (
	connections = prometheus.NewDesc("paymentd_database_connections",
		"Connections to the database, by pool and by whether they are in use or idle.", []string{"pool", "state"}, nil)
	maxConnections = prometheus.NewDesc("paymentd_database_connections_max",
		"Maximum number of connections of a pool.", []string{"pool"}, nil)
	connectionWaits = prometheus.NewDesc("paymentd_database_connection_waits_total",
		"Calls that had to wait for a free connection.", []string{"pool"}, nil)
	connectionWaited = prometheus.NewDesc("paymentd_database_connection_wait_seconds_total",
		"Total time that calls waited for a free connection.", []string{"pool"}, nil)
)

// pools collects the statistics of a repository's connections.
type pools struct{ of pooled }

// Describe implements prometheus.Collector.
func (p pools) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{connections, maxConnections, connectionWaits, connectionWaited} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (p pools) Collect(ch chan<- prometheus.Metric) {
	gauge, count := prometheus.GaugeValue, prometheus.CounterValue
	for name, s := range p.of.Pools() {
		ch <- prometheus.MustNewConstMetric(connections, gauge, float64(s.InUse), name, "in_use")
		ch <- prometheus.MustNewConstMetric(connections, gauge, float64(s.Idle), name, "idle")
		ch <- prometheus.MustNewConstMetric(maxConnections, gauge, float64(s.MaxOpenConnections), name)
		ch <- prometheus.MustNewConstMetric(connectionWaits, count, float64(s.WaitCount), name)
		ch <- prometheus.MustNewConstMetric(connectionWaited, count, s.WaitDuration.Seconds(), name)
	}
}
