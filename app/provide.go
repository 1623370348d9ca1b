package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"

	"github.com/google/uuid"
	"go.uber.org/fx"

	"paymentd/adapters/console"
	"paymentd/adapters/httpapi"
	"paymentd/adapters/metrics"
	"paymentd/adapters/tracing"
	"paymentd/app/config"
	"paymentd/app/gateways"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/internal/doctor"
	"paymentd/ports"
)

func newRepository(lc fx.Lifecycle, cfg config.Config, log *slog.Logger) (*Repository, error) {
	r, err := OpenRepository(cfg, log)
	if err != nil {
		return nil, err
	}
	d := backgroundDoctor{timeout: DoctorTimeout, log: log, examine: func(ctx context.Context) []doctor.Finding {
		return append(r.Doctor(ctx, 0), cfg.DoctorTimes()...)
	}}
	m := migrator{schema: r.Schema, migrated: d.start, log: log}
	lc.Append(fx.Hook{OnStart: m.start, OnStop: func(context.Context) error {
		m.stop()
		d.stop()
		return r.Close()
	}})
	return r, nil
}

func newPayments(r *Repository) ports.Payments { return r }

func newKeys(r *Repository) ports.Keys { return r.Keys() }

// Version is the version of the program, which the metrics export.
type Version string

// LogDrops returns the number of log lines dropped since the start. It is nil if the log drops none.
type LogDrops func() uint64

func newMetrics(v Version, drops LogDrops) *metrics.Metrics {
	m := metrics.New(string(v))
	if drops != nil {
		m.Log(drops)
	}
	return m
}

// Traced reports whether the settings or the OTEL_ variables enable traces.
func Traced(cfg config.Config) bool {
	return (cfg.Traces != "" || tracing.Wanted()) && !tracing.Disabled()
}

// newTracing returns nil if traces are disabled; the ports are then not wrapped.
func newTracing(
	lc fx.Lifecycle, cfg config.Config, v Version, name Replica, log *slog.Logger,
) (*tracing.Tracing, error) {
	if !Traced(cfg) {
		return nil, nil //nolint:nilnil // nil means that traces are disabled
	}
	t, err := tracing.New(context.Background(), tracing.Options{
		Endpoint: cfg.Traces, Version: string(v), Replica: string(name), Log: log,
	})
	if err != nil {
		return nil, config.Invalid("traces", err.Error())
	}
	lc.Append(fx.Hook{OnStop: func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, StopGrace)
		defer cancel()
		if err := t.Stop(ctx); err != nil {
			log.Warn("the last traces could not be sent", "error", err)
		}
		return nil
	}})
	return t, nil
}

func newService(
	cfg config.Config, payments ports.Payments, set gateways.Set, all core.Gateways, m *metrics.Metrics,
	traces *tracing.Tracing, name Replica, log *slog.Logger,
) *core.Service {
	settings := core.Settings{
		Replica: string(name),
		NewKey:  func() payment.GatewayKey { return payment.GatewayKey(newUUID()) },
		Lease:   cfg.Lease, Wait: cfg.Wait, Late: cfg.Late, PendingTimeout: cfg.PendingTimeout,
		GatewayTimeout: set.Timeout(), MaxBackoff: set.MaxBackoff(),
		LookupFirst: cfg.Reconcile, LookupMax: config.LookupMax,
		Workers: cfg.Workers, Poll: cfg.Poll, HeartbeatTimeout: cfg.HeartbeatTimeout,
		DeferredRetries: cfg.DeferredRetries,
	}
	service := core.New(settings, traces.Payments(m.Payments(payments)), all, traces.Logger(log))
	m.Sample(payments, service)
	return service
}

// newUUID returns a UUID of version 7, whose order of time keeps successive keys together in an index.
func newUUID() string { return uuid.Must(uuid.NewV7()).String() }

// Replica is the name of this process among the replicas.
type Replica string

// maxHostBytes bounds the host in the name of a replica, which has at most 64 bytes.
const maxHostBytes = 40

// newReplica returns a name that is unique to this start of the process, because a process does not
// own the claims of its predecessor.
func newReplica() Replica {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	// Printable ASCII, which every table and every terminal accepts.
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
	service *core.Service, options httpapi.Options, open OpenGateways, guarded []gateways.Guarded, pages *console.Console,
	traces *tracing.Tracing, log *slog.Logger,
) http.Handler {
	options.Route = service.Route
	options.Gateways, options.Events = gatewayStatuses(service, guarded), open.Events()
	if pages != nil {
		options.Console = pages.Routes
	}
	if traces == nil {
		return httpapi.New(service, options, log)
	}
	return traces.Handler(httpapi.New(traces.Service(service), options, traces.Logger(log)))
}
