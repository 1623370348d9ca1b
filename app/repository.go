package app

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"log/slog"
	"strings"
	"time"

	"paymentd/adapters/mysqlstore"
	"paymentd/adapters/sqlitestore"
	"paymentd/internal/doctor"
	"paymentd/internal/schema"
	"paymentd/ports"
)

// Repository is the repository of a database, with its schema.
type Repository struct {
	store
	Schema *schema.Schema
}

type store interface {
	ports.Payments
	io.Closer
	Keys() ports.Keys
	Pools() map[string]sql.DBStats // for the metrics
	// Diagnose is for `paymentd doctor`, and for the checks at the start.
	Diagnose(ctx context.Context, replicas int) []doctor.Finding
	// SchemaStatus reads where the schema stands. It changes nothing and makes no database.
	SchemaStatus(ctx context.Context) (schema.Status, error)
}

// OpenRepository opens the database of the configuration. It does not connect yet.
func OpenRepository(cfg Config, log *slog.Logger) (*Repository, error) {
	open, schemaOf := openMySQL, mysqlstore.Schema
	if strings.HasPrefix(cfg.Database, "sqlite:") {
		open, schemaOf = openSQLite, sqlitestore.Schema
	}
	s, err := schemaOf(cfg.Database)
	if err != nil {
		return nil, setting("database", err.Error())
	}
	payments, err := open(cfg, log)
	if err != nil {
		return nil, setting("database", err.Error())
	}
	return &Repository{store: payments, Schema: s}, nil
}

func openMySQL(cfg Config, log *slog.Logger) (store, error) {
	return mysqlstore.Open(cfg.Database, mysqlstore.Options{
		MaxOpen: cfg.DatabaseConnections, CommitsAlone: !cfg.SharedCommits, Log: log,
	})
}

func openSQLite(cfg Config, log *slog.Logger) (store, error) {
	return sqlitestore.Open(cfg.Database, sqlitestore.Options{Log: log})
}

// migrator brings the schema up to date at the start. A database that cannot be reached does
// not stop the start: the service says that it is not ready, and goes on trying.
type migrator struct {
	schema *schema.Schema
	// reached is called once, when the schema is current.
	reached func(context.Context)
	log     *slog.Logger
	cancel  context.CancelFunc
	done    chan struct{}
}

const migratePause = time.Second // between two tries to reach the database

func (m *migrator) start(ctx context.Context) error {
	err := m.schema.Up(ctx)
	if err == nil {
		m.reached(ctx)
		return nil
	}
	if !errors.Is(err, ports.ErrUnavailable) {
		return setting("database", err.Error())
	}
	m.log.Warn("the database cannot be reached; trying on", "error", err)
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	m.cancel, m.done = cancel, make(chan struct{})
	go func() {
		defer close(m.done)
		m.keepTrying(background)
	}()
	return nil
}

func (m *migrator) keepTrying(ctx context.Context) {
	for {
		select {
		case <-time.After(migratePause):
		case <-ctx.Done():
			return
		}
		switch err := m.schema.Up(ctx); {
		case err == nil:
			m.log.Info("the database is reached, and its schema is current")
			m.reached(ctx)
			return
		case !errors.Is(err, ports.ErrUnavailable):
			m.log.Error("the schema could not be migrated; the service stays not ready", "error", err)
			return
		}
	}
}

func (m *migrator) stop() {
	if m.cancel != nil {
		m.cancel()
		<-m.done
	}
}
