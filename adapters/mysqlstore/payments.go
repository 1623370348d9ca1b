package mysqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-sql-driver/mysql"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/internal/groupcommit"
	"paymentd/internal/schema"
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

	// Where commits are not shared, these are nil.
	openings  *groupcommit.Batcher[*opening]
	settlings *groupcommit.Batcher[*settling]
	fewest    int // changes that are made by a statement of many rows
}

// Options are the limits of a repository. A zero field stands for its default.
type Options struct {
	// MaxOpen is the most connections to the server, and how many are kept idle: 32.
	MaxOpen int
	// ConnLifetime is how long a connection is used before it is made anew, so that a
	// server that came back, or a moved name, gets its share: 5 min.
	ConnLifetime time.Duration
	// Timeout bounds a wait for a free connection, and each statement or short transaction
	// from its first byte to its commit: 5 s. Locks are waited for half as long.
	Timeout time.Duration
	// CommitsAlone makes each claim and each settlement a commit of its own, where otherwise
	// those that arrive while another is under way share the next one.
	CommitsAlone bool
	// Log is told what an operator must know.
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
// mysql://user:password@host:port/database. It makes no connection yet, so that a server
// that is down can come later: until then every method returns ports.ErrUnavailable.
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
	db.SetConnMaxIdleTime(idleTimeout(o.Timeout) / 2) // before the server does it
	s := &Payments{db: db, timeout: o.Timeout, log: o.Log, config: config, latest: latest, fewest: 2}
	if !o.CommitsAlone {
		s.openings = groupcommit.NewBatcher(most, lanes, slow, s.openTogether)
		s.settlings = groupcommit.NewBatcher(most, lanes, slow, s.settleTogether)
	}
	return s, nil
}

// Close ends the connections. It waits for the statements that are under way.
func (s *Payments) Close() error {
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close the database: %w", err)
	}
	return nil
}

// Pools returns how the connections are used, by the name of their pool.
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

// SchemaStatus reads where the schema stands, and changes nothing. Another program's database is a
// *schema.ForeignError.
func (s *Payments) SchemaStatus(ctx context.Context) (schema.Status, error) {
	err := s.try(ctx, ctx, func(waiting, using context.Context) error {
		return s.once(waiting, using, func(ctx context.Context, conn *sql.Conn) error { return checkOwn(ctx, conn) })
	})
	if err != nil {
		return schema.Status{}, err
	}
	return s.schemaStatus(ctx)
}

// schemaStatus reads where the schema stands.
func (s *Payments) schemaStatus(ctx context.Context) (schema.Status, error) {
	status := schema.Status{Latest: s.latest}
	err := s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		row, err := q.SchemaVersion(ctx)
		if noRows(err) || hasNumber(err, errNoSuchTable) {
			return nil // version 0
		}
		status.Version, status.Dirty = uint(max(0, row.Version)), row.Dirty
		return err
	})
	if err != nil {
		return schema.Status{}, fmt.Errorf("read the schema's version: %w", err)
	}
	return status, nil
}
