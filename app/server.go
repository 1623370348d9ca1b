package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"go.uber.org/fx"
	"golang.org/x/net/netutil"

	"paymentd/adapters/httpapi"
	"paymentd/adapters/metrics"
	"paymentd/core"
	"paymentd/core/keyring"
	"paymentd/core/payment"
)

// newHTTPOptions returns what the handler and its server are made of.
func newHTTPOptions(
	cfg Config, keys *keyring.Ring, certificate *httpapi.Certificate, m *metrics.Metrics,
) (httpapi.Options, error) {
	currency, err := payment.ParseCurrency(cfg.Currency)
	if err != nil {
		return httpapi.Options{}, setting("currency", err.Error())
	}
	return httpapi.Options{
		Currency: currency, MaxRequests: cfg.MaxRequests, MaxHeaderBytes: 16 << 10,
		LimitPerAddress: cfg.LimitPerAddress, LimitPerKey: cfg.LimitPerKey, TrustedProxies: cfg.TrustedProxies,
		AllowedHosts: cfg.AllowedHosts,
		Certificate:  certificate, Keys: keys, Metrics: m.Handler(), Observer: m,
		ChargesSandbox: strings.HasPrefix(cfg.Gateway, "sandbox:"),
		HeaderTimeout:  5 * time.Second, ReadTimeout: 15 * time.Second,
		WriteTimeout: 15 * time.Second, IdleTimeout: 2 * time.Minute,
	}, nil
}

// newCertificate returns nil where the service speaks plain HTTP.
func newCertificate(
	lc fx.Lifecycle, cfg Config, m *metrics.Metrics, log *slog.Logger,
) (*httpapi.Certificate, error) {
	if cfg.TLSCertificate == "" {
		return nil, nil //nolint:nilnil // nil is TLS that is off
	}
	c, err := openCertificate(cfg, log)
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

// openCertificate blames the setting that names the wrong file.
func openCertificate(cfg Config, log *slog.Logger) (*httpapi.Certificate, error) {
	c, err := httpapi.OpenCertificate(cfg.TLSCertificate, cfg.TLSKey, log)
	if unread, ok := errors.AsType[*fs.PathError](err); ok {
		flag := "tls-certificate"
		if unread.Path == cfg.TLSKey {
			flag = "tls-key"
		}
		return nil, setting(flag, fmt.Sprintf("must be a file that can be read, and %s is not: %s", unread.Path, cause(err)))
	}
	if err != nil {
		return nil, setting("tls-certificate", err.Error())
	}
	return c, nil
}

// maxConnections bounds the connections of clients that are open at once. By default it is no bound
// on the requests that are served: as many connections again may be idle, or send.
func maxConnections(cfg Config) int {
	return cmp.Or(cfg.MaxConnections, 2*cfg.MaxRequests)
}

// Server is the service on its address.
type Server struct {
	cfg      Config
	http     *http.Server
	service  *core.Service
	log      *slog.Logger
	listener net.Listener
	failed   chan error // holds why the server has ended by itself

	stopQueue context.CancelFunc
	queueOver chan struct{} // closed when the queue has ended
}

// newServer takes the options first: what is wrong with them stops the start before a file is made.
func newServer(
	lc fx.Lifecycle, cfg Config, options httpapi.Options, service *core.Service, handler http.Handler, log *slog.Logger,
) *Server {
	s := &Server{
		cfg: cfg, service: service, log: log, failed: make(chan error, 1),
		http: httpapi.NewServer(handler, options, log),
	}
	lc.Append(fx.Hook{OnStart: s.start, OnStop: s.stop})
	return s
}

// Addr is where the server listens, once it has started.
func (s *Server) Addr() string { return s.listener.Addr().String() }

func (s *Server) start(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.cfg.Addr)
	if err != nil {
		return setting("addr", cannotListen(s.cfg.Addr, err))
	}
	l = netutil.LimitListener(l, maxConnections(s.cfg))
	s.listener = l
	queue, stopQueue := context.WithCancel(context.WithoutCancel(ctx))
	s.stopQueue, s.queueOver = stopQueue, make(chan struct{})
	go func() {
		defer close(s.queueOver)
		s.service.RunQueue(queue)
	}()
	go func() {
		if err := httpapi.Serve(s.http, l); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- fmt.Errorf("serve: %w", err)
		}
	}()
	s.log.Info("paymentd listens", "addr", s.Addr(), "replica", s.service.Replica,
		"tls", s.cfg.TLSCertificate != "")
	logFinding(s.log, s.cfg.openFiles())
	return nil
}

// cannotListen says why an address cannot be listened on.
func cannotListen(addr string, err error) string {
	return fmt.Sprintf("must be an address that can be listened on, and %s is not: %s", addr, cause(err))
}

// stop ends the work before the server: while calls in flight finish, the address still
// answers, readyz says no, and new requests are accepted for later.
func (s *Server) stop(ctx context.Context) error {
	s.log.Info("paymentd stops", "limit", s.cfg.Shutdown.String())
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Shutdown-stopReserve(s.cfg.Shutdown))
	defer cancel()
	switch err := s.service.Stop(ctx); {
	case err != nil && ctx.Err() != nil:
		s.log.Warn("stopped with payments in hand; their leases run out, and they are taken over",
			"error", err)
	case err != nil:
		s.log.Warn("stopped without a word to the database; this replica will be missed", "error", err)
	}
	s.stopQueue() // it has ended by itself, unless payments are still in hand
	answers, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	if err := s.http.Shutdown(answers); err != nil {
		_ = s.http.Close() // connections that hold on to their request
	}
	select {
	case <-s.queueOver: // so that nobody asks the database when it is closed
	case <-ctx.Done():
	}
	s.log.Info("paymentd stopped", "took", time.Since(began).String())
	return nil
}
