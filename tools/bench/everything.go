package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// everythingClients are the numbers of clients of which each is a row.
var everythingClients = []int{64, 256}

const (
	// plentiful is a rate that no client here reaches.
	plentiful   = "1000000/s"
	scrapeEvery = time.Second
)

// everything is a service with API keys, limits, metrics that are scraped, and a trace of every
// payment, beside one without.
type everything struct {
	Rows []everythingRow `json:"rows"`
	// Payments are those that were traced, with so many Spans, and Scrapes the looks at the metrics.
	Payments int `json:"traced_payments"`
	Spans    int `json:"spans"`
	Scrapes  int `json:"scrapes"`
}

type everythingRow struct {
	Clients int    `json:"clients"`
	With    spread `json:"with_payments_per_second"`
	Without spread `json:"without_payments_per_second"`
	Ratio   spread `json:"ratio"` // of with to without, round by round
}

func (r *rig) everything(ctx context.Context, found *report) (err error) {
	c, err := newCollector(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.server.Close()) }()
	with, err := r.newSystem(ctx, "with", 0, "PAYMENTD_TRACES="+c.url,
		"PAYMENTD_LIMIT_PER_KEY="+plentiful, "PAYMENTD_LIMIT_PER_ADDRESS="+plentiful)
	if err != nil {
		return err
	}
	stopped := false
	defer func() {
		if !stopped {
			err = errors.Join(err, with.stop())
		}
	}()
	if err := r.demandKey(ctx, with); err != nil {
		return fmt.Errorf("make an API key: %w", err)
	}
	without, err := r.newSystem(ctx, "without", 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, without.stop()) }()

	out := &everything{}
	systems := []*system{with, without}
	var answers, errs [2]int
	for _, clients := range everythingClients {
		perSecond := [2][]float64{}
		for round := range r.options.Rounds {
			r.say("everything on, %d clients: round %d of %d", clients, round+1, r.options.Rounds)
			for i, s := range systems {
				scraping, stop := context.WithCancel(ctx)
				scrapes := make(chan int, 1)
				go func() { scrapes <- scrape(scraping, with) }()
				t, err := r.serviceTurn(ctx, s, clients)
				stop()
				out.Scrapes += <-scrapes
				if err != nil {
					return err
				}
				perSecond[i] = append(perSecond[i], t.perSecond())
				answers[i], errs[i] = answers[i]+t.answered, errs[i]+t.errors
			}
		}
		out.Rows = append(out.Rows, everythingRow{
			Clients: clients, With: spreadOf(perSecond[0]), Without: spreadOf(perSecond[1]),
			Ratio: ratios(perSecond[0], perSecond[1]),
		})
	}
	found.Special.Everything = out
	for i, what := range []string{"everything on", "everything off"} {
		a, err := auditOf(ctx, what, systems[i], answers[i], errs[i])
		if err != nil {
			return err
		}
		found.Audits = append(found.Audits, a)
	}
	stopped = true
	if err := with.stop(); err != nil { // it sends the last of its spans
		return err
	}
	out.Payments = answers[0]
	out.Spans, err = c.spans()
	return err
}

// demandKey makes a key in the system's database, and waits until callers need one.
func (r *rig) demandKey(ctx context.Context, s *system) error {
	command := exec.CommandContext(ctx, r.binary, "keys", "create", "--name", "bench", "--scopes", "admin") //nolint:gosec // our own binary
	command.Env = []string{"PAYMENTD_DATABASE=" + s.database}
	key, err := command.Output()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	for answers(ctx, s.replica.url+"/payments") {
		if err := sleep(ctx, scrapeEvery/10); err != nil {
			return err
		}
	}
	s.key = strings.TrimSpace(string(key))
	return nil
}

// scrape asks for the metrics as Prometheus does, and returns how often.
func scrape(ctx context.Context, s *system) (times int) {
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.replica.url+"/metrics", nil)
		if err != nil {
			return times
		}
		request.Header.Set("Authorization", "Bearer "+s.key)
		if response, err := http.DefaultClient.Do(request); err == nil {
			if _, err := io.Copy(io.Discard, response.Body); err == nil && response.StatusCode == http.StatusOK {
				times++
			}
			_ = response.Body.Close()
		}
		if sleep(ctx, scrapeEvery) != nil {
			return times
		}
	}
}

// collector takes traces by OTLP over HTTP, and keeps them unread: it shares the processors with
// what is measured.
type collector struct {
	url    string
	server *http.Server

	mu     sync.Mutex
	bodies [][]byte
}

func newCollector(ctx context.Context) (*collector, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for traces: %w", err)
	}
	c := &collector{url: "http://" + l.Addr().String()}
	c.server = &http.Server{ReadHeaderTimeout: readyLimit, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body := make([]byte, max(0, r.ContentLength))
		if _, err := io.ReadFull(r.Body, body); err == nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.bodies = append(c.bodies, body)
		}
	})}
	go func() { _ = c.server.Serve(l) }()
	return c, nil
}

// spans counts those that were sent.
func (c *collector) spans() (n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, body := range c.bodies {
		var sent tracepb.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &sent); err != nil {
			return n, fmt.Errorf("read the traces: %w", err)
		}
		for _, resource := range sent.GetResourceSpans() {
			for _, scope := range resource.GetScopeSpans() {
				n += len(scope.GetSpans())
			}
		}
	}
	return n, nil
}

func (e *everything) text(p *page) {
	p.line("\nAPI keys, limits, metrics scraped every second (%d times) and every payment traced (%d spans of %d), beside a service without:",
		e.Scrapes, e.Spans, e.Payments)
	for _, row := range e.Rows {
		p.line("  %d clients: %.0f payments/s, %.0f without: %s times", row.Clients, row.With.Median, row.Without.Median, row.Ratio.text())
	}
}
