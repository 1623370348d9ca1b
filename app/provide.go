package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"

	"github.com/google/uuid"
	"go.uber.org/dig"
	"go.uber.org/fx"

	"paymentd/adapters/httpapi"
	"paymentd/adapters/httpgateway"
	"paymentd/adapters/metrics"
	"paymentd/adapters/resilience"
	"paymentd/adapters/sandbox"
	"paymentd/adapters/tracing"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

// defaultLedger is the file of the sandbox gateway inside the process.
const defaultLedger = "paymentd-sandbox.ledger"

func newRepository(lc fx.Lifecycle, cfg Config, log *slog.Logger) (*Repository, error) {
	r, err := OpenRepository(cfg, log)
	if err != nil {
		return nil, err
	}
	c := checkup{cfg: cfg, repository: r, log: log}
	m := migrator{schema: r.Schema, reached: c.start, log: log}
	lc.Append(fx.Hook{OnStart: m.start, OnStop: func(context.Context) error {
		m.stop()
		c.stop()
		return r.Close()
	}})
	return r, nil
}

func newPayments(r *Repository) ports.Payments { return r }

func newKeys(r *Repository) ports.Keys { return r.Keys() }

func newGateway(
	lc fx.Lifecycle, cfg Config, traces *tracing.Tracing, log *slog.Logger,
) (ports.Gateway, error) {
	ledger, inProcess := strings.CutPrefix(cfg.Gateway, "sandbox:")
	if !inProcess {
		options := []httpgateway.Option{
			httpgateway.WithConnections(maxAttempts(cfg)), httpgateway.WithID(payment.GatewayID(cfg.GatewayName)),
			httpgateway.WithKeyLifetime(cfg.keyLifetime()), httpgateway.WithLookupLag(cfg.GatewayLookupLag),
		}
		if traces != nil {
			options = append(options, httpgateway.WithHeader(traces.Inject))
		}
		g, err := httpgateway.New(cfg.Gateway, cfg.GatewayTimeout, options...)
		if err != nil {
			return nil, setting("gateway", err.Error())
		}
		c := gatewayCheck{gateway: g, timeout: cfg.GatewayTimeout, log: log}
		lc.Append(fx.Hook{OnStart: c.start, OnStop: c.stop})
		return g, nil
	}
	if ledger == "" {
		ledger = defaultLedger
	}
	g, err := sandbox.Open(ledger, sandbox.WithLog(log), sandbox.WithKeyLifetime(cfg.keyLifetime()))
	if err != nil {
		return nil, setting("gateway", err.Error())
	}
	log.Warn("payments go to the sandbox: no money moves", "ledger", ledger)
	lc.Append(fx.Hook{OnStop: func(context.Context) error { return g.Close() }})
	return g, nil
}

func newRetry(cfg Config) ports.Retry {
	return resilience.NewRetry(retryOptions(cfg))
}

func retryOptions(cfg Config) resilience.RetryOptions {
	return resilience.RetryOptions{MaxRetries: cfg.MaxRetries, Delay: cfg.RetryDelay, Jitter: cfg.RetryJitter}
}

// maxAttempts bounds the calls to the gateway that run at once: each request and each
// worker of the queue makes one at a time.
func maxAttempts(cfg Config) int { return cfg.MaxRequests + cfg.Workers }

// Version is what the metrics say that runs.
type Version string

func newMetrics(v Version, drops LogDrops) *metrics.Metrics {
	m := metrics.New(string(v))
	if drops != nil {
		m.Log(drops)
	}
	return m
}

// Replica is this process's name among the replicas.
type Replica string

// traced reports whether anybody asks for traces.
func (c Config) traced() bool { return (c.Traces != "" || tracing.Wanted()) && !tracing.Disabled() }

// newTracing returns nil where nobody asks for traces: then nothing is put around the ports.
func newTracing(
	lc fx.Lifecycle, cfg Config, v Version, name Replica, log *slog.Logger,
) (*tracing.Tracing, error) {
	if !cfg.traced() {
		return nil, nil //nolint:nilnil // nil is tracing that is off
	}
	t, err := tracing.New(context.Background(), tracing.Options{
		Endpoint: cfg.Traces, Version: string(v), Replica: string(name), Log: log,
	})
	if err != nil {
		return nil, setting("traces", err.Error())
	}
	lc.Append(fx.Hook{OnStop: func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, stopGrace)
		defer cancel()
		if err := t.Stop(ctx); err != nil {
			log.Warn("the last traces could not be sent", "error", err)
		}
		return nil
	}})
	return t, nil
}

func newService(
	cfg Config, payments ports.Payments, gateway ports.Gateway, retry ports.Retry,
	m *metrics.Metrics, traces *tracing.Tracing, name Replica, log *slog.Logger,
) *core.Service {
	guard := resilience.NewGuard(gateway, resilience.GuardOptions{
		Timeout: cfg.GatewayTimeout, MaxConcurrent: uint(maxAttempts(cfg)),
	})
	// Between the core and the guard: an attempt that the guard cuts off or does not make has a
	// class as well, and it is the core's view of the gateway that says how payments fare.
	counted := traces.Gateway(m.Gateway(guard))
	settings := core.Settings{
		Replica: string(name),
		NewKey:  func() payment.GatewayKey { return payment.GatewayKey(newUUID()) },
		Lease:   cfg.Lease, Wait: cfg.Wait, Late: cfg.Late,
		GatewayTimeout: cfg.GatewayTimeout, MaxBackoff: retryOptions(cfg).MaxBackoff(),
		LookupFirst: cfg.Reconcile, LookupMax: lookupMax,
		Workers: cfg.Workers, Poll: cfg.Poll, HeartbeatTimeout: cfg.HeartbeatTimeout,
		DeferredRetries: cfg.DeferredRetries,
	}
	service := core.New(settings, traces.Payments(m.Payments(payments)), counted, retry, traces.Logger(log))
	m.Sample(payments, service)
	return service
}

// newUUID returns a UUID of version 7: keys that are made one after the other lie side by
// side in an index.
func newUUID() string { return uuid.Must(uuid.NewV7()).String() }

// maxHostBytes leaves room, in the 64 bytes of a replica's name, for the rest of it.
const maxHostBytes = 40

// replicaName is unique to this start of the process: what it held when it died is not its
// own when it is back.
func replicaName() Replica {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	// Printable ASCII, which every table and every terminal takes.
	host = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '_'
		}
		return r
	}, host)
	random := newUUID()
	return Replica(fmt.Sprintf("%s-%s", host[:min(len(host), maxHostBytes)], random[len(random)-12:]))
}

func newHandler(
	service *core.Service, options httpapi.Options, traces *tracing.Tracing, log *slog.Logger,
) http.Handler {
	if traces == nil {
		return httpapi.New(service, options, log)
	}
	return traces.Handler(httpapi.New(traces.Service(service), options, traces.Logger(log)))
}

// rootCause takes fx's own words off an error of a constructor or a hook.
func rootCause(err error) error { return dig.RootCause(err) }
