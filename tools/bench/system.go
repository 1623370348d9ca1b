package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"paymentd/app/apptest/process"
)

const (
	readyLimit  = time.Minute
	stopLimit   = 30 * time.Second // above the PAYMENTD_SHUTDOWN of the replicas
	scrapeEvery = time.Second
	unlimited   = "1000000/s" // more than any client here asks for
	sampled     = "0.1"       // of the payments have a trace
)

// setup is what a system is started with.
type setup struct {
	name     string // of the new database, unless there is a URL
	database string // URL of the database
	latency  time.Duration
	protocol string // of the gateway
	full     bool   // with API keys, limits, scraped metrics and traces
	env      map[string]string
}

// system is a replica with its gateway and its database.
type system struct {
	*harness
	setup

	gateway *process.Process
	replica *process.Process
	debug   string // URL of the profiles and the memory statistics
	apiKey  string // empty if none is needed
	scrapes atomic.Int32
	stopped context.CancelFunc
}

// newSystem starts a gateway, and a replica on a new database of the server.
func (h *harness) newSystem(ctx context.Context, c setup) (s *system, err error) {
	s = &system{harness: h, setup: c}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop())
		}
	}()
	if s.database == "" {
		if s.database, err = h.server.CreateDatabase(ctx, c.name); err != nil {
			return nil, err
		}
	}
	if err := s.startGateway(ctx); err != nil {
		return nil, err
	}
	if err := s.startReplica(ctx); err != nil {
		return nil, err
	}
	if !c.full {
		return s, nil
	}
	if err := s.createKey(ctx); err != nil {
		return nil, fmt.Errorf("create an API key: %w", err)
	}
	scraping, stop := context.WithCancel(ctx)
	s.stopped = stop
	go s.scrape(scraping)
	return s, nil
}

// start starts a process on an address of its own, with its ready path.
func (s *system) start(ctx context.Context, name, scheme, ready string, c process.Config) (*process.Process, error) {
	c.Folder = filepath.Join(s.folder, name+"-"+strings.ReplaceAll(c.URL, ":", "-"))
	if err := os.MkdirAll(c.Folder, 0o700); err != nil {
		return nil, err
	}
	c.URL = scheme + "://" + c.URL
	p, err := process.Start(c)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	if err := p.WaitReady(ctx, ready); err != nil {
		p.Kill()
		return nil, err
	}
	return p, nil
}

func (s *system) startGateway(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	addr, err := process.FreeAddress(ctx)
	if err != nil {
		return err
	}
	scheme := "https"
	if s.protocol == plain {
		scheme = "http"
	}
	s.gateway, err = s.start(ctx, "gateway", scheme, "/healthz", process.Config{
		Binary: self, Args: []string{gatewayCommand, addr, s.latency.String(), s.protocol, s.certFile, s.keyFile}, URL: addr,
	})
	return err
}

func (s *system) startReplica(ctx context.Context) error {
	addr, err := process.FreeAddress(ctx)
	if err != nil {
		return err
	}
	profiles, err := process.FreeAddress(ctx)
	if err != nil {
		return err
	}
	env := map[string]string{
		"PAYMENTD_ADDR": addr, "PAYMENTD_PPROF_ADDR": profiles,
		"PAYMENTD_DATABASE": s.database, "PAYMENTD_GATEWAY": s.gateway.URL,
		"SSL_CERT_FILE": filepath.Join(s.folder, process.AuthorityFile),
	}
	if s.full {
		env["PAYMENTD_LIMIT_PER_KEY"], env["PAYMENTD_LIMIT_PER_ADDRESS"] = unlimited, unlimited
		env["PAYMENTD_TRACES"] = s.collector.url
		env["OTEL_TRACES_SAMPLER"], env["OTEL_TRACES_SAMPLER_ARG"] = "traceidratio", sampled
	}
	maps.Copy(env, s.env)
	for _, set := range s.options.Set {
		name, value, _ := strings.Cut(set, "=")
		env[name] = value
	}
	s.debug = "http://" + profiles + "/debug"
	s.replica, err = s.start(ctx, "replica", "http", "/readyz", process.Config{
		Binary: s.binary, Args: []string{"serve"}, URL: addr, Env: env,
	})
	return err
}

// createKey creates an API key, and waits until the replica demands one.
func (s *system) createKey(ctx context.Context) error {
	command := exec.CommandContext(ctx, s.binary, "keys", "create", "--name", "bench", "--scopes", "admin") //nolint:gosec // our own binary
	command.Env = []string{"PAYMENTD_DATABASE=" + s.database}
	key, err := command.Output()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	for err = nil; err == nil; err = errors.Join(err, sleep(ctx, scrapeEvery/10)) {
		if _, refused := get(ctx, s.replica.URL+"/payments", ""); refused != nil {
			s.apiKey = strings.TrimSpace(string(key))
			return nil
		}
	}
	return err
}

// scrape reads the metrics every second, as Prometheus does.
func (s *system) scrape(ctx context.Context) {
	for sleep(ctx, scrapeEvery) == nil {
		if _, err := get(ctx, s.replica.URL+"/metrics", s.apiKey); err == nil {
			s.scrapes.Add(1)
		}
	}
}

// stop stops the replica and the gateway.
func (s *system) stop() (err error) {
	if s.stopped != nil {
		s.stopped()
	}
	if s.replica != nil {
		err = s.replica.Stop(stopLimit)
	}
	if s.gateway != nil {
		err = errors.Join(err, s.gateway.Stop(stopLimit))
	}
	return err
}

// collector receives traces by OTLP over HTTP. It discards them unread, because it shares the
// processors with what is measured.
type collector struct {
	url    string
	server *http.Server
	bytes  atomic.Int64
}

func newCollector(ctx context.Context) (*collector, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for traces: %w", err)
	}
	c := &collector{url: "http://" + l.Addr().String()}
	c.server = &http.Server{ReadHeaderTimeout: readyLimit, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		c.bytes.Add(n)
	})}
	go func() { _ = c.server.Serve(l) }()
	return c, nil
}
