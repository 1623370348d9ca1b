package metrics

import (
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"paymentd/core/payment"
	"paymentd/ports"
)

const (
	// maxScrapes bounds concurrent scrapes; more get 503.
	maxScrapes = 4
	// scrapeTimeout bounds a scrape, below the ten seconds of Prometheus' default.
	scrapeTimeout = 8 * time.Second
)

// The buckets of the histograms, in seconds. A write to a database takes milliseconds, and seconds
// during a failover; an attempt takes up to its timeout; a request includes all its retries.
var (
	databaseBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	gatewayBuckets  = []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 30, 60}
	requestBuckets  = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 60}
)

// Metrics are the metrics of one process, in a registry of their own.
type Metrics struct {
	registry *prometheus.Registry

	requests *requests
	replays  prometheus.Counter

	outcomes  byKind[family[payment.State, prometheus.Counter]]
	evidence  byKind[family[payment.Verdict, prometheus.Counter]]
	returned  prometheus.Counter
	forgotten prometheus.Counter
	claims    family[payment.Verdict, prometheus.Counter]
	takeovers prometheus.Counter
	fencedOut family[string, prometheus.Counter]
	faults    family[string, prometheus.Counter]
	claimed   family[string, prometheus.Observer]
	renewed   prometheus.Histogram
	settled   prometheus.Histogram
	recorded  family[string, prometheus.Observer]

	onSettled func(payment.Kind, payment.State)

	attempts, lookups *prometheus.HistogramVec // by gateway, operation, and class or finding
	events            *prometheus.CounterVec   // by gateway and result
}

// New returns the metrics of a process with that version.
func New(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), onSettled: func(payment.Kind, payment.State) {}}
	m.registry.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	info := m.gauges("paymentd_build_info", "1; the labels have the version of the program and of Go.", "version", "go_version")
	info.WithLabelValues(version, runtime.Version()).Set(1)
	m.ofRequests()
	m.ofPayments()
	m.ofGateway()
	return m
}

func (m *Metrics) ofRequests() {
	m.requests = &requests{
		durations: m.histograms("paymentd_http_request_duration_seconds",
			"Time from the header of a request to its response, by route and status.", requestBuckets, "route", "status"),
		inFlight: m.gauges("paymentd_http_requests_in_flight", "Requests that are being served, by route.", "route"),
		answered: make(map[answer]prometheus.Observer),
		serving:  make(map[string]prometheus.Gauge),
	}
	m.replays = m.counter("paymentd_replays_total",
		"Successful responses to requests that charged nothing, because the order had been charged.")
}

func (m *Metrics) ofPayments() {
	m.ofOutcomes()
	m.claims = familyOf(m.counters("paymentd_claims_total",
		"Claims, by verdict.", "verdict").WithLabelValues,
		payment.VerdictClaimed, payment.VerdictLookUp, payment.VerdictReplay, payment.VerdictBusy,
		payment.VerdictMismatch, payment.VerdictAccepted, payment.VerdictQuarantined, payment.VerdictForeign,
		payment.VerdictCancel, payment.VerdictKeyOpen, payment.VerdictVoided)
	evidence := m.counters("paymentd_evidence_total",
		"Charges and other operations at the gateway that the service did not wait for, by operation and verdict.", labelOperation, "verdict")
	m.evidence = byKindOf(func(operation string) family[payment.Verdict, prometheus.Counter] {
		of := evidence.MustCurryWith(prometheus.Labels{labelOperation: operation})
		return familyOf(of.WithLabelValues, payment.VerdictEvidence, payment.VerdictDouble)
	})
	m.returned = m.counter("paymentd_refunds_returned_total",
		"Refunds whose money came back after they had succeeded; their amounts can be refunded again.")
	m.forgotten = m.counter("paymentd_lookups_forgotten_total",
		"Lookups that found nothing for a key that the gateway may have forgotten; only an operator can resolve the payment.")
	m.takeovers = m.counter("paymentd_takeovers_total",
		"Claims of payments whose worker was lost.")
	m.fencedOut = familyOf(m.counters("paymentd_fenced_out_total",
		"Writes that were refused because the claim was lost, by write.", "write").WithLabelValues,
		writeRenew, writeSettle, writeLookup)
	m.faults = familyOf(m.counters("paymentd_database_errors_total",
		"Failed calls to the database, by error.", "error").WithLabelValues,
		faultUnavailable, faultInDoubt)
	m.claimed = familyOf(m.histograms("paymentd_claim_duration_seconds",
		"Duration of a claim, by caller.", databaseBuckets, "by").WithLabelValues,
		byRequest, byQueue)
	m.renewed = m.histogram("paymentd_renew_duration_seconds",
		"Duration of the renewal of a claim between two attempts.", databaseBuckets)
	m.recorded = familyOf(m.histograms("paymentd_evidence_duration_seconds",
		"Duration of storing evidence from the gateway, by write.", databaseBuckets, "write").WithLabelValues,
		writeLookup, writeApproval)
	m.settled = m.histogram("paymentd_settle_duration_seconds",
		"Duration of storing an outcome.", databaseBuckets)
}

// ofOutcomes makes the counters of outcomes. Those of payments have a metric of their own, so that no query about
// payments includes refunds.
func (m *Metrics) ofOutcomes() {
	payments := m.counters("paymentd_payments_total", "Settled rounds of payments, by outcome.", "outcome")
	operations := m.counters("paymentd_operations_total",
		"Settled rounds of operations other than charges, by operation and outcome.", labelOperation, "outcome")
	m.outcomes = byKindOf(func(operation string) family[payment.State, prometheus.Counter] {
		of := payments
		if operation != labelOf(payment.KindCharge) {
			of = operations.MustCurryWith(prometheus.Labels{labelOperation: operation})
		}
		outcomes := []payment.State{
			payment.StateSucceeded, payment.StateDeclined, payment.StateFailed,
			payment.StatePending, payment.StateUnresolved, payment.StateScheduled,
		}
		if operation == labelOf(payment.KindCharge) {
			outcomes = append(outcomes, payment.StateAuthorized, payment.StateVoided)
		}
		return familyOf(of.WithLabelValues, outcomes...)
	})
}

func (m *Metrics) ofGateway() {
	m.attempts = m.histograms("paymentd_attempt_duration_seconds",
		"Duration of an attempt to charge, capture, void or refund, by gateway, operation and class.", gatewayBuckets,
		labelGateway, labelOperation, "class")
	m.lookups = m.histograms("paymentd_lookup_duration_seconds",
		"Duration of a lookup at the gateway, by gateway, operation and finding.", gatewayBuckets,
		labelGateway, labelOperation, "finding")
	m.events = m.counters("paymentd_gateway_events_total", "Events that were posted for a gateway, by gateway and result.",
		labelGateway, "result")
}

// OnSettled makes Metrics call f for each settled round of an operation, with its outcome, and for a later outcome
// that a lookup finds. f must be fast. OnSettled is called before the service runs.
func (m *Metrics) OnSettled(f func(payment.Kind, payment.State)) { m.onSettled = f }

// Counts are the counters of a service.
type Counts interface {
	Waiting() int
	SharedTransactions() int
	ForeignPayments() int
}

// Sample registers metrics that are read at each scrape: the backlog and the connections of a
// repository, and the counters of the service.
func (m *Metrics) Sample(payments ports.Payments, service Counts) {
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "paymentd_requests_waiting",
			Help: "Requests that wait for another request that is processing their order.",
		}, func() float64 { return float64(service.Waiting()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "paymentd_shared_transactions",
			Help: "Transactions at one gateway that two or more orders have, found by the sweep of this process.",
		}, func() float64 { return float64(service.SharedTransactions()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "paymentd_foreign_payments",
			Help: "Payments that wait because their gateway is not the configured one, as of the last minute.",
		}, func() float64 { return float64(service.ForeignPayments()) }),
		newBacklog(payments),
	)
	if p, ok := payments.(pooled); ok {
		m.registry.MustRegister(pools{p})
	}
}

// Certificate registers the expiry of the served certificate.
func (m *Metrics) Certificate(expiry func() time.Time) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "paymentd_tls_certificate_expiry_timestamp_seconds",
		Help: "Earliest expiry in the chain of the served TLS certificate, as Unix time.",
	}, func() float64 { return float64(expiry().Unix()) }))
}

// Log registers the number of dropped log lines.
func (m *Metrics) Log(dropped func() uint64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "paymentd_log_lines_dropped_total",
		Help: "Log lines that were dropped because the reader of the log was slow or gone, or the disk was full.",
	}, func() float64 { return float64(dropped()) }))
}

// Keys registers the age of the API keys.
func (m *Metrics) Keys(age func() time.Duration) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "paymentd_api_keys_age_seconds",
		Help: "Time since the API keys were last read from the database, or since the start if they never were.",
	}, func() float64 { return age().Seconds() }))
}

// Handler serves scrapes. A metric that cannot be read is omitted.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: maxScrapes, Timeout: scrapeTimeout,
	})
}

func (m *Metrics) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	m.registry.MustRegister(c)
	return c
}

func (m *Metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.registry.MustRegister(c)
	return c
}

func (m *Metrics) gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	m.registry.MustRegister(g)
	return g
}

func (m *Metrics) histogram(name, help string, buckets []float64) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
	m.registry.MustRegister(h)
	return h
}

func (m *Metrics) histograms(
	name, help string, buckets []float64, labels ...string,
) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	m.registry.MustRegister(h)
	return h
}
