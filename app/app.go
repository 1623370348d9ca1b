// Package app wires the adapters to the core, with fx, and gives the whole its life cycle. It
// is a library: the binary and the tests build the same application.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"
)

const (
	// startTimeout bounds a start: opening the database, and the first try to migrate it.
	startTimeout = time.Minute
	// stopGrace is what closing takes after the last payment is out of our hands.
	stopGrace = 2 * time.Second
)

// New returns the whole service. A test swaps an adapter with an option such as
//
//	fx.Replace(fx.Annotate(fake.NewGateway(), fx.As(new(ports.Gateway))))
func New(cfg Config, log *slog.Logger, opts ...fx.Option) *fx.App {
	return fx.New(
		module(cfg, log),
		fx.StartTimeout(startTimeout),
		fx.StopTimeout(max(cfg.Shutdown, minStop)),
		fx.Options(opts...),
	)
}

func module(cfg Config, log *slog.Logger) fx.Option {
	return fx.Options(
		fx.Supply(cfg, log, Version("unknown"), LogDrops(nil)),
		fx.WithLogger(func() fxevent.Logger {
			l := &fxevent.SlogLogger{Logger: log}
			l.UseLogLevel(slog.LevelDebug)
			l.UseErrorLevel(slog.LevelDebug) // whoever starts or stops the application has them too
			return l
		}),
		fx.Provide(newRepository, newPayments, newKeys, newGateway, newRetry, newMetrics, replicaName, newTracing, newService,
			newCertificate, newKeyring, newHTTPOptions, newHandler, newServer),
		fx.Invoke(startPprof, func(*Server) {}),
	)
}

// Serve runs the service until ctx ends, and stops it in good order.
func Serve(ctx context.Context, cfg Config, version Version, log *slog.Logger, drops LogDrops) error {
	var server *Server
	app := New(cfg, log, fx.Replace(version), fx.Replace(drops), fx.Populate(&server))
	if err := app.Err(); err != nil {
		return rootCause(err)
	}
	start, cancel := context.WithTimeout(ctx, app.StartTimeout())
	defer cancel()
	switch err := app.Start(start); {
	case err != nil && ctx.Err() != nil:
		log.Info("paymentd stops before it has started")
		return nil
	case err != nil:
		return rootCause(err)
	}

	// Not app.Wait, which would catch a second signal: that is to end the process.
	var failed error
	select {
	case <-ctx.Done():
	case failed = <-server.failed:
	}

	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), app.StopTimeout())
	defer cancel()
	if err := app.Stop(stop); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("not over within %v (PAYMENTD_SHUTDOWN)", app.StopTimeout())
		}
		return errors.Join(failed, fmt.Errorf("stop: %w", err))
	}
	return failed
}
