package mysqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/internal/schema"
	"paymentd/internal/subscribers"
	"paymentd/ports"
	"paymentd/sql/mysql/migrations"
)

var _ ports.Payments = (*Payments)(nil)

// Payments is ports.Payments on MySQL.
type Payments struct {
	db      *sql.DB
	timeout time.Duration
	log     *slog.Logger
	config  *mysql.Config // of the connections
	latest  uint          // the schema version that this program was built for

	commitsAlone bool
	minBatchRows int // fewer changes are written by the generated statement of one row
	// topology is nil until it was read from the server.
	topology atomic.Pointer[topology]
	// subscribers are the endpoints that receive events.
	subscribers *subscribers.Cache
}

// Options are the limits of a repository. A zero field means the default.
type Options struct {
	// MaxOpen limits the connections to the server, open and idle. Default: 32.
	MaxOpen int
	// ConnLifetime is how long a connection is used before it is reopened, so that connections spread
	// to a server that came back, or to a new address. Default: 5 min.
	ConnLifetime time.Duration
	// Timeout limits the wait for a free connection, and each statement or short transaction up to its
	// commit. Default: 5 s. Lock waits are limited to half of it.
	Timeout time.Duration
	// CommitsAlone gives each claim and each settlement a commit of its own. By default, those that
	// arrive while a commit is in flight share the next one.
	CommitsAlone bool
	// Log reports what needs an operator.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	o.MaxOpen = cmp.Or(o.MaxOpen, 32)
	o.ConnLifetime = cmp.Or(o.ConnLifetime, 5*time.Minute)
	o.Timeout = cmp.Or(o.Timeout, 5*time.Second)
	o.Log = cmp.Or(o.Log, slog.Default())
	return o
}

// Open returns the repository in the database of the URL
// mysql://user:password@host:port/database. It does not connect, so that the server may start later:
// until then every method returns ports.ErrUnavailable.
func Open(databaseURL string, options Options) (*Payments, error) {
	o := options.withDefaults()
	config, err := parseURL(databaseURL)
	if err != nil {
		return nil, err
	}
	latest, err := schema.Latest(migrations.Files)
	if err != nil {
		return nil, err
	}
	config = forPayments(config, o.Timeout)
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(o.MaxOpen)
	db.SetMaxIdleConns(o.MaxOpen)
	db.SetConnMaxLifetime(o.ConnLifetime)
	db.SetConnMaxIdleTime(idleTimeout(o.Timeout) / 2) // before the server closes it
	s := &Payments{
		db: db, timeout: o.Timeout, log: o.Log, config: config, latest: latest,
		commitsAlone: o.CommitsAlone, minBatchRows: 2,
	}
	s.subscribers = subscribers.New(s.readEndpoints)
	return s, nil
}

// Close closes the connections. It waits for the statements in flight.
func (s *Payments) Close() error {
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close the database: %w", err)
	}
	return nil
}

// Pools returns the connection statistics, by the name of the pool.
func (s *Payments) Pools() map[string]sql.DBStats {
	return map[string]sql.DBStats{"mysql": s.db.Stats()}
}

// Ready implements ports.Payments.
func (s *Payments) Ready(ctx context.Context) error {
	status, err := s.schemaStatus(ctx)
	if err != nil {
		return err
	}
	return status.Err()
}

// SchemaStatus reads the schema's version, and changes nothing. For another program's database it
// returns a *schema.ForeignError.
func (s *Payments) SchemaStatus(ctx context.Context) (schema.Status, error) {
	err := s.retry(ctx, ctx, func(waiting, using context.Context) error {
		return s.onConn(waiting, using, func(ctx context.Context, conn *sql.Conn) error { return checkOwn(ctx, conn) })
	})
	if err != nil {
		return schema.Status{}, err
	}
	return s.schemaStatus(ctx)
}

// schemaStatus is SchemaStatus without the check for another program's database.
func (s *Payments) schemaStatus(ctx context.Context) (schema.Status, error) {
	status := schema.Status{Latest: s.latest}
	err := s.retry(ctx, ctx, func(waiting, using context.Context) error {
		return s.onConn(waiting, using, func(ctx context.Context, conn *sql.Conn) error {
			row, err := queries.New(conn).SchemaVersion(ctx)
			if isNotFound(err) || hasNumber(err, errNoSuchTable) {
				return nil // version 0
			}
			if err != nil {
				return err
			}
			status.Version, status.Dirty = uint(max(0, row.Version)), row.Dirty
			return s.learnFrom(ctx, conn, row.ServerVersion)
		})
	})
	if err != nil {
		return schema.Status{}, fmt.Errorf("read the schema's version: %w", err)
	}
	return status, nil
}
