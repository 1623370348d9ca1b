// Package metrics exports Prometheus metrics about payments. [Metrics.Payments] and
// [Metrics.Gateway] wrap the ports, so the core has no metrics of its own.
//
// Every label has a bounded number of values for any input of clients and gateways: the constants
// of package payment, the routes of the API and the names of the pools. Any other value is counted
// as "other". docs/metrics.md describes each metric.
package metrics
