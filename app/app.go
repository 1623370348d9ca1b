// Package app wires the adapters to the core with fx and runs the service. The binary and the tests
// build the same application.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"time"

	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"

	"paymentd/app/config"
	"paymentd/core/delivery"
)

const (
	// startTimeout bounds a start, which opens the database and tries to migrate it once.
	startTimeout = time.Minute
	// StopGrace bounds one step of a stop after the last payment in flight.
	StopGrace = 2 * time.Second
	// MinStop is the least time that a stop may take, even if PAYMENTD_SHUTDOWN is shorter.
	MinStop = time.Second
)

// New returns the whole service. A test swaps an adapter with an option such as
//
//	fx.Replace(fx.Annotate(fake.NewGateway(), fx.As(new(ports.Gateway))))
func New(cfg config.Config, log *slog.Logger, opts ...fx.Option) *fx.App {
	return fx.New(
		module(cfg, log),
		fx.StartTimeout(startTimeout),
		fx.StopTimeout(max(cfg.Shutdown, MinStop)),
		fx.Options(opts...),
	)
}

func module(cfg config.Config, log *slog.Logger) fx.Option {
	return fx.Options(
		fx.Supply(cfg, log, Version("unknown"), LogDrops(nil)),
		fx.WithLogger(func() fxevent.Logger {
			l := &fxevent.SlogLogger{Logger: log}
			l.UseLogLevel(slog.LevelDebug)
			l.UseErrorLevel(slog.LevelDebug) // Start and Stop return the errors as well
			return l
		}),
		fx.Provide(newRepository, newPayments, newKeys, newGatewaySet, newFiles, newOpenGateways, newAddresses, newGateway, newGuarded,
			newCoreGateways, newMetrics, newReplica, newTracing, newService,
			newEndpoints, newOutbox, newSender, newCourier,
			newCertificate, newKeyCache, newHTTPOptions, newTraffic, newWatched, newConsole, newHandler, newListener, newServer),
		// The addresses first, so that one that is in use stops the start before anything else.
		fx.Invoke(func(listener) {}, startPprof, func(*delivery.Courier) {}, func(*Server) {}),
	)
}

// rootCause returns the error of a constructor or a hook without what fx's container wraps it in:
// errors whose types are of the package dig.
func rootCause(err error) error {
	cause := err
	for e := err; e != nil; e = errors.Unwrap(e) {
		if reflect.TypeOf(e).PkgPath() != "go.uber.org/dig" {
			continue
		}
		if wrapped := errors.Unwrap(e); wrapped != nil {
			cause = wrapped
		}
	}
	return cause
}

// Serve runs the service until ctx is done, and stops it gracefully.
func Serve(ctx context.Context, cfg config.Config, version Version, log *slog.Logger, drops LogDrops) error {
	var server *Server
	var checked *addresses
	app := New(cfg, log, fx.Replace(version), fx.Replace(drops), fx.Populate(&server, &checked))
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

	// Not app.Wait, which would catch a second signal: that signal must end the process.
	var failed error
	select {
	case <-ctx.Done():
	case failed = <-server.failed:
	case failed = <-checked.refused:
	}

	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), app.StopTimeout())
	defer cancel()
	if err := app.Stop(stop); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("not complete within %v (PAYMENTD_SHUTDOWN)", app.StopTimeout())
		}
		return errors.Join(failed, fmt.Errorf("stop: %w", err))
	}
	return failed
}
