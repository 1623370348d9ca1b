package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"go.uber.org/fx"

	"paymentd/adapters/console"
	"paymentd/adapters/httpapi"
	"paymentd/adapters/metrics"
	"paymentd/app/config"
	"paymentd/app/gateways"
	"paymentd/app/internal/cause"
	"paymentd/core"
	"paymentd/core/keycache"
	"paymentd/core/payment"
)

// newHTTPOptions returns the options of the handler and of its server.
func newHTTPOptions(
	cfg config.Config, set gateways.Set, keys *keycache.Cache, certificate *httpapi.Certificate, m *metrics.Metrics,
	traffic *console.Traffic,
) (httpapi.Options, error) {
	currency, err := payment.ParseCurrency(cfg.Currency)
	if err != nil {
		return httpapi.Options{}, config.Invalid("currency", err.Error())
	}
	return httpapi.Options{
		Currency: currency, MaxRequests: cfg.MaxRequests, MaxHeaderBytes: 16 << 10,
		LimitPerAddress: cfg.LimitPerAddress, LimitPerKey: cfg.LimitPerKey, TrustedProxies: cfg.TrustedProxies,
		AllowedHosts: cfg.AllowedHosts,
		Certificate:  certificate, Keys: keys, Metrics: m.Handler(), Observer: requestObserver{m, traffic},
		ChargesSandbox: !set.MovesMoney(),
		HeaderTimeout:  5 * time.Second, ReadTimeout: 15 * time.Second,
		WriteTimeout: 15 * time.Second, IdleTimeout: 2 * time.Minute,
	}, nil
}

// newCertificate returns nil if the service speaks plain HTTP.
func newCertificate(
	lc fx.Lifecycle, cfg config.Config, m *metrics.Metrics, log *slog.Logger,
) (*httpapi.Certificate, error) {
	if cfg.TLSCertificate == "" {
		return nil, nil //nolint:nilnil // nil means that TLS is disabled
	}
	c, err := OpenCertificate(cfg, log)
	if err != nil {
		return nil, err
	}
	m.Certificate(c.Expiry)
	ctx, stop := context.WithCancel(context.Background())
	lc.Append(fx.Hook{
		OnStart: func(context.Context) error { go c.Watch(ctx); return nil },
		OnStop:  func(context.Context) error { stop(); return nil },
	})
	return c, nil
}

// OpenCertificate opens the TLS certificate of the configuration. Its errors name the setting that names
// the wrong file.
func OpenCertificate(cfg config.Config, log *slog.Logger) (*httpapi.Certificate, error) {
	c, err := httpapi.OpenCertificate(cfg.TLSCertificate, cfg.TLSKey, log)
	if unread, ok := errors.AsType[*fs.PathError](err); ok {
		flag := "tls-certificate"
		if unread.Path == cfg.TLSKey {
			flag = "tls-key"
		}
		return nil, config.Invalid(flag, fmt.Sprintf("must be a file that can be read, and %s is not: %s", unread.Path, cause.Of(err)))
	}
	if err != nil {
		return nil, config.Invalid("tls-certificate", err.Error())
	}
	return c, nil
}

// Server serves the API and runs the queue.
type Server struct {
	cfg      config.Config
	http     *http.Server
	service  *core.Service
	log      *slog.Logger
	listener listener
	failed   chan error // receives the error if the server fails

	stopQueue context.CancelFunc
	queueDone chan struct{} // closed when the queue has stopped
}

// newServer takes the options as its first dependency, so that a wrong option stops the start before any
// file is created.
func newServer(
	lc fx.Lifecycle, cfg config.Config, options httpapi.Options, service *core.Service, handler http.Handler,
	pages *console.Console, l listener, log *slog.Logger,
) *Server {
	s := &Server{
		cfg: cfg, service: service, log: log, listener: l, failed: make(chan error, 1),
		http: httpapi.NewServer(handler, options, log),
	}
	if pages != nil {
		s.http.RegisterOnShutdown(pages.Close) // or it would wait for the streams of the console
	}
	lc.Append(fx.Hook{OnStart: s.start, OnStop: s.stop})
	return s
}

// Addr returns the address that the server listens on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

func (s *Server) start(ctx context.Context) error {
	queue, stopQueue := context.WithCancel(context.WithoutCancel(ctx))
	s.stopQueue, s.queueDone = stopQueue, make(chan struct{})
	go func() {
		defer close(s.queueDone)
		s.service.RunQueue(queue)
	}()
	go func() {
		if err := httpapi.Serve(s.http, s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- fmt.Errorf("serve: %w", err)
		}
	}()
	s.log.Info("paymentd listens", "addr", s.Addr(), "replica", s.service.Replica,
		"tls", s.cfg.TLSCertificate != "")
	logFinding(s.log, s.cfg.DoctorOpenFiles())
	return nil
}

// stop stops the work before the server: while calls in flight finish, the address still answers, readyz
// reports not ready, and new requests are accepted for later.
func (s *Server) stop(ctx context.Context) error {
	s.log.Info("paymentd stops", "limit", s.cfg.Shutdown.String())
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Shutdown-stopReserve(s.cfg.Shutdown))
	defer cancel()
	switch err := s.service.Stop(ctx); {
	case err != nil && ctx.Err() != nil:
		s.log.Warn("stopped with payments in flight; other replicas take them over", "error", err)
	case err != nil:
		s.log.Warn("could not deregister this replica; peers will time it out", "error", err)
	}
	s.stopQueue() // it has already stopped, unless payments are still in flight
	answers, cancel := context.WithTimeout(ctx, StopGrace)
	defer cancel()
	if err := s.http.Shutdown(answers); err != nil {
		_ = s.http.Close() // connections whose requests do not end
	}
	select {
	case <-s.queueDone: // so that the queue does not use a closed database
	case <-ctx.Done():
	}
	s.log.Info("paymentd stopped", "took", time.Since(began).String())
	return nil
}

// stopReserve returns the part of PAYMENTD_SHUTDOWN that is reserved for closing; payments in flight have
// the rest.
func stopReserve(shutdown time.Duration) time.Duration { return min(2*time.Second, shutdown/5) }
