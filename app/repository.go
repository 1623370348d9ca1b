package app

import (
	"context"
	"database/sql"
	"io"
	"log/slog"
	"strings"

	"paymentd/adapters/mysqlstore"
	"paymentd/adapters/sqlitestore"
	"paymentd/app/config"
	"paymentd/internal/doctor"
	"paymentd/internal/schema"
	"paymentd/ports"
)

// Repository stores the payments and API keys in a database, and migrates its schema.
type Repository struct {
	store
	Schema *schema.Schema
}

type store interface {
	ports.Payments
	ports.Summaries
	ports.WaitingOperations
	ports.Operators
	ports.OutstandingWork
	io.Closer
	Keys() ports.Keys
	Endpoints() ports.Endpoints
	Outbox() ports.Outbox
	Sessions() ports.Sessions
	GatewayAddresses() ports.GatewayAddresses
	AdminHistory() ports.AdminHistory
	Pools() map[string]sql.DBStats // for the metrics
	// Doctor runs the checks of `paymentd doctor` and of the start.
	Doctor(ctx context.Context, replicas int) []doctor.Finding
	// SchemaStatus reads the version of the schema. It changes nothing and creates no database.
	SchemaStatus(ctx context.Context) (schema.Status, error)
}

// OpenRepository opens the database of the configuration. It does not connect yet.
func OpenRepository(cfg config.Config, log *slog.Logger) (*Repository, error) {
	open, schemaOf := openMySQL, mysqlstore.Schema
	if strings.HasPrefix(cfg.Database, "sqlite:") {
		open, schemaOf = openSQLite, sqlitestore.Schema
	}
	s, err := schemaOf(cfg.Database)
	if err != nil {
		return nil, config.Invalid("database", err.Error())
	}
	payments, err := open(cfg, log)
	if err != nil {
		return nil, config.Invalid("database", err.Error())
	}
	return &Repository{store: payments, Schema: s}, nil
}

func openMySQL(cfg config.Config, log *slog.Logger) (store, error) {
	return mysqlstore.Open(cfg.Database, mysqlstore.Options{
		MaxOpen: cfg.DatabaseConnections, CommitsAlone: !cfg.SharedCommits, Log: log,
	})
}

func openSQLite(cfg config.Config, log *slog.Logger) (store, error) {
	return sqlitestore.Open(cfg.Database, sqlitestore.Options{Log: log})
}
