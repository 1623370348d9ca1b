package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
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

	gateway      *process.Process
	replica      *process.Process
	debug        string // URL of the profiles and the memory statistics
	apiKey       string // empty if none is needed
	scrapes      atomic.Int32
	stopScraping context.CancelFunc
}

// with starts a gateway and a replica, calls do, and stops them.
func (h *harness) with(ctx context.Context, c setup, do func(*system) error) error {
	if c.protocol == "" {
		c.protocol = h.options.Gateway[0]
	}
	s := &system{harness: h, setup: c}
	err := s.start(ctx)
	if err == nil {
		err = do(s)
	}
	return errors.Join(err, s.stop())
}

func (s *system) start(ctx context.Context) (err error) {
	if s.database == "" {
		if s.database, err = s.server.CreateDatabase(ctx, s.name); err != nil {
			return err
		}
	}
	if err := s.startGateway(ctx); err != nil {
		return err
	}
	if err := s.startReplica(ctx); err != nil || !s.full {
		return err
	}
	if err := s.createKey(ctx); err != nil {
		return fmt.Errorf("create an API key: %w", err)
	}
	scraping, stop := context.WithCancel(ctx)
	s.stopScraping = stop
	go s.scrape(scraping)
	return nil
}

// run starts a process on a free address, in a folder of its own, and waits until it is ready.
func (s *system) run(ctx context.Context, name, scheme, ready string, config func(addr string) process.Config) (*process.Process, error) {
	addr, err := process.FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	c := config(addr)
	c.URL = scheme + "://" + addr
	if c.Folder, err = os.MkdirTemp(s.folder, name+"-"); err != nil {
		return nil, err
	}
	p, err := process.Start(c)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	err = p.WaitReady(ctx, ready)
	return p, err
}

func (s *system) startGateway(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	scheme := "https"
	if s.protocol == plain {
		scheme = "http"
	}
	s.gateway, err = s.run(ctx, "gateway", scheme, "/healthz", func(addr string) process.Config {
		return process.Config{Binary: self, Args: []string{gatewayCommand, addr, s.latency.String(), s.protocol, s.certFile, s.keyFile}}
	})
	return err
}

func (s *system) startReplica(ctx context.Context) error {
	profiles, err := process.FreeAddress(ctx)
	if err != nil {
		return err
	}
	s.debug = "http://" + profiles + "/debug"
	env := map[string]string{
		"PAYMENTD_PPROF_ADDR": profiles, "PAYMENTD_DATABASE": s.database, "PAYMENTD_GATEWAY": s.gateway.URL,
		"SSL_CERT_FILE": filepath.Join(s.folder, process.AuthorityFile),
	}
	if s.full {
		env["PAYMENTD_LIMIT_PER_KEY"], env["PAYMENTD_LIMIT_PER_ADDRESS"] = unlimited, unlimited
		env["PAYMENTD_TRACES"] = s.collector.URL
		env["OTEL_TRACES_SAMPLER"], env["OTEL_TRACES_SAMPLER_ARG"] = "traceidratio", sampled
	}
	maps.Copy(env, s.env)
	for _, set := range s.options.Set {
		name, value, _ := strings.Cut(set, "=")
		env[name] = value
	}
	s.replica, err = s.run(ctx, "replica", "http", "/readyz", func(addr string) process.Config {
		env["PAYMENTD_ADDR"] = addr
		return process.Config{Binary: s.binary, Args: []string{"serve"}, Env: env}
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
	if s.stopScraping != nil {
		s.stopScraping()
	}
	if s.replica != nil {
		err = s.replica.Stop(stopLimit)
	}
	if s.gateway != nil {
		err = errors.Join(err, s.gateway.Stop(stopLimit))
	}
	return err
}
