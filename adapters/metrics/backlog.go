package metrics

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"paymentd/core/payment"
	"paymentd/ports"
)

const (
	// sampleEvery is for how long scrapes share a sample of the backlog.
	sampleEvery = 5 * time.Second
	// sampleTimeout bounds a sample, because a scrape must not wait for an unavailable database.
	sampleTimeout = 2 * time.Second
)

// unfinished are the states of unfinished payments.
var unfinished = []payment.State{
	payment.StateProcessing, payment.StateScheduled, payment.StatePending, payment.StateAuthorized,
	payment.StateUnresolved, ports.Unreadable,
}

// backlog reads the unfinished payments of all replicas from the repository when it is scraped.
type backlog struct {
	payments ports.Payments

	sampled, all, due, longestDue, oldest *prometheus.Desc

	mu    sync.Mutex // held during a sample, so that concurrent scrapes share it
	at    time.Time
	known bool // the latest sample succeeded
	found map[unfinishedOf]ports.Backlog
}

// unfinishedOf distinguishes the unfinished operations.
type unfinishedOf struct {
	kind  payment.Kind
	state payment.State
}

func newBacklog(payments ports.Payments) *backlog {
	describe := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, []string{labelOperation, "state"}, nil)
	}
	return &backlog{
		payments: payments,
		sampled: prometheus.NewDesc("paymentd_backlog_sampled",
			"1 if the backlog could be read, otherwise 0; then the other metrics of the backlog are omitted.", nil, nil),
		all: describe("paymentd_backlog_payments",
			"Unfinished payments and other operations of all replicas, by operation and state; authorized ones hold money."),
		due: describe("paymentd_backlog_due_payments",
			"Due payments and other operations that wait for a worker."),
		longestDue: describe("paymentd_backlog_longest_due_seconds",
			"How long the first of the due payments or other operations has been due; 0 if there is none."),
		oldest: describe("paymentd_backlog_oldest_seconds",
			"Age of the oldest unfinished payment or other operation; 0 if there is none."),
	}
}

// Describe implements prometheus.Collector.
func (b *backlog) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{b.sampled, b.all, b.due, b.longestDue, b.oldest} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (b *backlog) Collect(ch chan<- prometheus.Metric) {
	found, known := b.sample()
	if !known {
		ch <- prometheus.MustNewConstMetric(b.sampled, prometheus.GaugeValue, 0)
		return
	}
	ch <- prometheus.MustNewConstMetric(b.sampled, prometheus.GaugeValue, 1)
	for _, kind := range payment.Kinds() {
		for _, state := range unfinished {
			if state == payment.StateAuthorized && kind != payment.KindCharge {
				continue // no other operation holds money
			}
			of := found[unfinishedOf{kind, state}]
			for d, v := range map[*prometheus.Desc]float64{
				b.all: float64(of.Payments), b.due: float64(of.Due),
				b.longestDue: of.LongestDue.Seconds(), b.oldest: of.Oldest.Seconds(),
			} {
				ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labelOf(kind), string(state))
			}
		}
	}
}

// sample returns a sample that is at most sampleEvery old.
func (b *backlog) sample() (map[unfinishedOf]ports.Backlog, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.at.IsZero() && time.Since(b.at) < sampleEvery {
		return b.found, b.known
	}
	ctx, cancel := context.WithTimeout(context.Background(), sampleTimeout)
	defer cancel()
	all, err := b.payments.Backlog(ctx)
	b.at, b.known = time.Now(), err == nil
	b.found = make(map[unfinishedOf]ports.Backlog, len(all)) // a new map, because the previous one may still be read
	for _, of := range all {
		key := unfinishedOf{of.Kind, of.State}
		if !slices.Contains(payment.Kinds(), of.Kind) {
			key = unfinishedOf{payment.KindCharge, ports.Unreadable}
		}
		sum := b.found[key]
		sum.Add(of)
		b.found[key] = sum
	}
	return b.found, b.known
}
