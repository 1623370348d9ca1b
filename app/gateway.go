package app

import (
	"cmp"
	"context"
	"errors"
	"log/slog"

	"go.uber.org/fx"

	"paymentd/adapters/httpapi"
	"paymentd/adapters/metrics"
	"paymentd/adapters/tracing"
	"paymentd/app/config"
	"paymentd/app/gateways"
	"paymentd/core"
	"paymentd/internal/doctor"
	"paymentd/internal/filewatch"
	"paymentd/ports"
)

// OpenGateways are the adapters of the configured gateways, in the order of the configuration.
type OpenGateways []OpenGateway

// OpenGateway is the adapter of a gateway.
type OpenGateway struct {
	gateways.Settings
	gateways.Gateway

	check string // names it in findings; empty for the gateway of PAYMENTD_GATEWAY
}

// Close closes the adapters.
func (o OpenGateways) Close() error {
	var failed []error
	for _, g := range o {
		failed = append(failed, g.Close())
	}
	return errors.Join(failed...)
}

// Events returns how the events of each gateway are read, by the names of those that receive any.
func (o OpenGateways) Events() map[string]httpapi.EventReader {
	all := make(map[string]httpapi.EventReader)
	for _, g := range o {
		if read := g.Events(); read != nil {
			all[g.Name] = read
		}
	}
	return all
}

// Doctor checks each gateway that moves money, at the same time, within its timeout. away is the level of a
// finding that a gateway that is down causes.
func (o OpenGateways) Doctor(ctx context.Context, away doctor.Level) []doctor.Finding {
	found := make([]chan doctor.Finding, len(o))
	for i, g := range o {
		found[i] = make(chan doctor.Finding, 1)
		go func() { found[i] <- g.doctor(ctx, away) }()
	}
	var findings []doctor.Finding
	for i := range o {
		findings = append(findings, <-found[i])
	}
	return findings
}

func (g OpenGateway) doctor(ctx context.Context, away doctor.Level) doctor.Finding {
	ctx, cancel := context.WithTimeout(ctx, g.Options.Timeout)
	defer cancel()
	f := g.Doctor(ctx, away)
	f.Check = cmp.Or(g.check, f.Check)
	return f
}

// OpenAll opens the gateways of the configuration. Their secrets are reread while files is watched. traces may
// be nil. The error is a *config.SettingError.
func OpenAll(
	cfg config.Config, set gateways.Set, files *filewatch.Set, traces *tracing.Tracing, log *slog.Logger,
) (OpenGateways, error) {
	var all OpenGateways
	for _, s := range set.Gateways {
		s.Options.Connections, s.Options.Files, s.Options.Log = min(s.MaxConcurrent, cfg.MaxAttempts()), files, log
		if traces != nil {
			s.Options.Header = traces.Inject
		}
		g, err := s.Kind.Open(s.Options)
		if err != nil {
			_ = all.Close() // they have done nothing yet
			return nil, cannotOpen(cfg, s, err)
		}
		opened := OpenGateway{Settings: s, Gateway: g}
		if cfg.GatewaysFile != "" {
			opened.check = "gateway " + s.Name
		}
		all = append(all, opened)
	}
	return all, nil
}

func newGatewaySet(cfg config.Config, log *slog.Logger) (gateways.Set, error) {
	set, err := cfg.GatewaySet()
	if err == nil && !set.CatchAll() {
		log.Warn("no route matches every payment; a payment that none matches is refused", "file", cfg.GatewaysFile)
	}
	return set, err
}

func newFiles(lc fx.Lifecycle, log *slog.Logger) *filewatch.Set {
	files := filewatch.NewSet(log)
	ctx, stop := context.WithCancel(context.Background())
	lc.Append(fx.Hook{
		OnStart: func(context.Context) error { go files.Watch(ctx); return nil },
		OnStop:  func(context.Context) error { stop(); return nil },
	})
	return files
}

func newOpenGateways(
	lc fx.Lifecycle, cfg config.Config, set gateways.Set, files *filewatch.Set, traces *tracing.Tracing, log *slog.Logger,
) (OpenGateways, error) {
	open, err := OpenAll(cfg, set, files, traces, log)
	if err != nil {
		return nil, err
	}
	d := backgroundDoctor{timeout: DoctorTimeout + set.Timeout(), log: log, examine: func(ctx context.Context) []doctor.Finding {
		return open.Doctor(ctx, doctor.Warn)
	}}
	lc.Append(fx.Hook{
		OnStart: func(ctx context.Context) error {
			if set.MovesMoney() {
				d.start(ctx)
			}
			return nil
		},
		OnStop: func(context.Context) error {
			d.stop()
			return open.Close()
		},
	})
	return open, nil
}

// newGateway returns the adapter of the first gateway, so that a test can swap it.
func newGateway(open OpenGateways) ports.Gateway { return open[0].Gateway }

// newGuarded returns what the core gets; first replaces the adapter of the first gateway.
func newGuarded(
	open OpenGateways, first ports.Gateway, addresses *addresses, traces *tracing.Tracing, m *metrics.Metrics, log *slog.Logger,
) []gateways.Guarded {
	var all []gateways.Guarded
	for i, g := range open {
		adapter := ports.Gateway(g.Gateway)
		if i == 0 {
			adapter = first
		}
		for _, result := range httpapi.EventResults() {
			m.Events(g.Name, string(result))
		}
		all = append(all, gateways.Guard(g.Settings, checkedGateway{adapter, addresses}, traces, m, log))
	}
	return all
}

// gatewayStatuses returns the gateways as the API shows them.
func gatewayStatuses(service *core.Service, guarded []gateways.Guarded) func() []httpapi.GatewayStatus {
	return func() (all []httpapi.GatewayStatus) {
		for _, g := range guarded {
			c := g.Gateway.Capabilities()
			all = append(all, httpapi.GatewayStatus{
				Name: g.Name, Kind: g.Kind.Name, Capabilities: c, Calls: service.Calls(c.Gateway),
				Breaker: g.Guard.Breaker(), RetryIn: g.Guard.RetryIn(),
				InFlight: g.Guard.InFlight(), MaxInFlight: g.Guard.MaxConcurrent(),
			})
		}
		return all
	}
}

// newCoreGateways returns the gateways with the routes between them.
func newCoreGateways(set gateways.Set, guarded []gateways.Guarded) (core.Gateways, error) {
	routes, err := set.RoutesOf(guarded)
	if err != nil {
		return core.Gateways{}, err
	}
	var all []core.Gateway
	for _, g := range guarded {
		all = append(all, core.Gateway{Gateway: g.Gateway, Retry: g.Retry, Breaker: g.Guard})
	}
	return core.NewGateways(all, routes), nil
}
