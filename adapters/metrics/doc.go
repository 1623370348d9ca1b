// Package metrics tells Prometheus how payments fare. It watches from outside: [Metrics.Payments]
// and [Metrics.Gateway] stand around the ports, and the core knows of none of it.
//
// Every label has a bounded number of values, whatever a client or a gateway sends: they are
// the words of package payment, the routes of the API and the names of the pools. A value that
// is none of these is counted as "other". docs/metrics.md says what each metric means.
package metrics
