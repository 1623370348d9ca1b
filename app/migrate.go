package app

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"

	"paymentd/app/config"
	"paymentd/internal/schema"
	"paymentd/ports"
)

// migrateInterval is the time between two attempts to reach the database.
const migrateInterval = time.Second

// migrator migrates the schema at the start. An unreachable database does not stop the start: the
// service is not ready until a retry in the background succeeds.
type migrator struct {
	schema *schema.Schema
	// migrated is called once, when the schema is current.
	migrated func(context.Context)
	log      *slog.Logger
	cancel   context.CancelFunc
	done     chan struct{}
}

func (m *migrator) start(ctx context.Context) error {
	err := m.schema.Up(ctx)
	if err == nil {
		m.migrated(ctx)
		return nil
	}
	if !errors.Is(err, ports.ErrUnavailable) {
		return config.Invalid("database", err.Error())
	}
	m.log.Warn("the database cannot be reached; retrying", "error", err)
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	m.cancel, m.done = cancel, make(chan struct{})
	go func() {
		defer close(m.done)
		m.retry(background)
	}()
	return nil
}

func (m *migrator) retry(ctx context.Context) {
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := m.schema.Up(ctx)
		if err != nil && !errors.Is(err, ports.ErrUnavailable) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(backoff.NewConstantBackOff(migrateInterval)), backoff.WithMaxElapsedTime(0))
	switch {
	case err == nil:
		m.log.Info("the database is reachable, and its schema is current")
		m.migrated(ctx)
	case ctx.Err() != nil: // the service stops
	default:
		m.log.Error("the schema could not be migrated; the service stays not ready", "error", err)
	}
}

func (m *migrator) stop() {
	if m.cancel != nil {
		m.cancel()
		<-m.done
	}
}
