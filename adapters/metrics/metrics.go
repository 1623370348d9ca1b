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
	// maxScrapes bounds the scrapes that are served at once; the ones beyond get 503.
	maxScrapes = 4
	// scrapeTimeout bounds one, below the ten seconds that Prometheus gives it.
	scrapeTimeout = 8 * time.Second
)

// The buckets of the histograms, in seconds. A write to a database takes milliseconds, and half
// of them while it fails over; an attempt takes up to its timeout; a request, all its retries.
var (
	databaseBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	gatewayBuckets  = []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 30, 60}
	requestBuckets  = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 60}
)

// Metrics is the metrics of one process, in a registry of their own.
type Metrics struct {
	registry *prometheus.Registry

	requests *requests
	replays  prometheus.Counter

	outcomes  family[payment.State, prometheus.Counter]
	evidence  family[payment.Verdict, prometheus.Counter]
	forgotten prometheus.Counter
	claims    family[payment.Verdict, prometheus.Counter]
	takeovers prometheus.Counter
	fencedOut family[string, prometheus.Counter]
	faults    family[string, prometheus.Counter]
	claimed   family[string, prometheus.Observer]
	renewed   prometheus.Histogram
	settled   prometheus.Histogram
	recorded  family[string, prometheus.Observer]

	attempts family[payment.Class, prometheus.Observer]
	lookups  family[payment.LookupResult, prometheus.Observer]
}

// New returns the metrics of a process of that version.
func New(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.registry.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	info := m.gauges("paymentd_build_info", "1; the labels say what runs.", "version", "go_version")
	info.WithLabelValues(version, runtime.Version()).Set(1)
	m.ofRequests()
	m.ofPayments()
	m.ofGateway()
	return m
}

func (m *Metrics) ofRequests() {
	m.requests = &requests{
		durations: m.histograms("paymentd_http_request_duration_seconds",
			"Time from a request's header to its answer, by route and status.", requestBuckets, "route", "status"),
		inFlight: m.gauges("paymentd_http_requests_in_flight", "Requests that are being served, by route.", "route"),
		answered: make(map[answer]prometheus.Observer),
		serving:  make(map[string]prometheus.Gauge),
	}
	m.replays = m.counter("paymentd_replays_total",
		"Answers of success to requests that charged nothing, since the order had been charged.")
}

func (m *Metrics) ofPayments() {
	m.outcomes = familyOf(m.counters("paymentd_payments_total",
		"Settled rounds of payments, by what they were settled to.", "outcome").WithLabelValues,
		payment.StateSucceeded, payment.StateDeclined, payment.StateFailed, payment.StateUnresolved,
		payment.StateScheduled)
	m.claims = familyOf(m.counters("paymentd_claims_total",
		"Asked claims, by verdict.", "verdict").WithLabelValues,
		payment.VerdictClaimed, payment.VerdictLookUp, payment.VerdictReplay, payment.VerdictBusy,
		payment.VerdictMismatch, payment.VerdictAccepted, payment.VerdictQuarantined, payment.VerdictForeign)
	m.evidence = familyOf(m.counters("paymentd_evidence_total",
		"Charges that the gateway has and the payment did not wait for, by verdict.", "verdict").WithLabelValues,
		payment.VerdictEvidence, payment.VerdictDouble)
	m.forgotten = m.counter("paymentd_lookups_forgotten_total",
		"Lookups that found nothing of a key that the gateway may have forgotten: only a person can resolve the payment.")
	m.takeovers = m.counter("paymentd_takeovers_total",
		"Claims of payments whose worker fell silent over them.")
	m.fencedOut = familyOf(m.counters("paymentd_fenced_out_total",
		"Writes that were refused because the claim was lost, by write.", "write").WithLabelValues,
		writeRenew, writeSettle, writeLookup)
	m.faults = familyOf(m.counters("paymentd_database_errors_total",
		"Calls to the database that failed, by what is known of it.", "error").WithLabelValues,
		faultUnavailable, faultInDoubt)
	m.claimed = familyOf(m.histograms("paymentd_claim_duration_seconds",
		"Time that a claim took, by who asked.", databaseBuckets, "by").WithLabelValues,
		byRequest, byQueue)
	m.renewed = m.histogram("paymentd_renew_duration_seconds",
		"Time that the renewal of a claim took, between two attempts.", databaseBuckets)
	m.recorded = familyOf(m.histograms("paymentd_evidence_duration_seconds",
		"Time that storing what the gateway knows took, by what it is.", databaseBuckets, "write").WithLabelValues,
		writeLookup, writeApproval)
	m.settled = m.histogram("paymentd_settle_duration_seconds",
		"Time that storing an outcome took.", databaseBuckets)
}

func (m *Metrics) ofGateway() {
	m.attempts = familyOf(m.histograms("paymentd_attempt_duration_seconds",
		"Time that an attempt to charge took, by class.", gatewayBuckets, "class").WithLabelValues,
		payment.ClassApproved, payment.ClassDeclined, payment.ClassRejected, payment.ClassNotCharged,
		payment.ClassUnknownAnswered, payment.ClassUnknownUnanswered, payment.ClassPending, payment.ClassKeyReused)
	m.lookups = familyOf(m.histograms("paymentd_lookup_duration_seconds",
		"Time that a lookup at the gateway took, by finding.", gatewayBuckets, "finding").WithLabelValues,
		payment.FoundApproved, payment.FoundDeclined, payment.FoundProcessing, payment.FoundNothing,
		payment.FoundNoAnswer, payment.FoundPending, payment.FoundVoided)
}

// Counts are what a service counts by itself.
type Counts interface {
	Waiting() int
	SharedTransactions() int
	ForeignPayments() int
}

// Sample lets each scrape look at what is only known by asking: the backlog and the connections
// of a repository, and what the service has counted in the background.
func (m *Metrics) Sample(payments ports.Payments, service Counts) {
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "paymentd_requests_waiting",
			Help: "Requests that wait for another one at work on their order.",
		}, func() float64 { return float64(service.Waiting()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "paymentd_shared_transactions",
			Help: "Transactions that two orders or more have at one gateway, as this process's sweep has found them.",
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

// Certificate lets each scrape say when the certificate that is served ends.
func (m *Metrics) Certificate(expiry func() time.Time) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "paymentd_tls_certificate_expiry_timestamp_seconds",
		Help: "When the TLS certificate that is served ends, or the first above it, as Unix time.",
	}, func() float64 { return float64(expiry().Unix()) }))
}

// Log lets each scrape say how many lines of the log were dropped.
func (m *Metrics) Log(dropped func() uint64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "paymentd_log_lines_dropped_total",
		Help: "Lines of the log that were dropped, because its reader was slow or gone, or its disk was full.",
	}, func() float64 { return float64(dropped()) }))
}

// Keys lets each scrape look at how old what is known of the API keys is.
func (m *Metrics) Keys(age func() time.Duration) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "paymentd_api_keys_age_seconds",
		Help: "Time since the API keys were last read from the database; since the start, if they never were.",
	}, func() float64 { return age().Seconds() }))
}

// Handler answers scrapes. What cannot be sampled is left out of the answer.
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
