package sqlitestore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/internal/groupcommit"
	"paymentd/internal/schema"
	"paymentd/internal/subscribers"
	"paymentd/ports"
	"paymentd/sql/sqlite/migrations"
)

var _ ports.Payments = (*Payments)(nil)

const (
	// readers is how many reads run at the same time.
	readers = 4
)

// Payments is ports.Payments on a SQLite file.
type Payments struct {
	path    string
	file    *file
	writer  *sql.DB // has one connection
	readers *sql.DB
	timeout time.Duration
	clock   func() time.Time
	log     *slog.Logger
	latest  uint // the schema version that this program was built for
	writes  *groupcommit.Batcher[change]
	// subscribers are the endpoints that receive events.
	subscribers *subscribers.Cache
}

// Options are the limits of a repository. A zero field means the default.
type Options struct {
	// Timeout limits each call, including its wait for the write lock. Default: 5 s.
	Timeout time.Duration
	// Clock is the database's clock. Default: the machine's.
	Clock func() time.Time
	// Log reports what needs an operator.
	Log *slog.Logger
}

// Open returns the repository in the file of the URL sqlite:path. The file is created at its first
// use.
func Open(databaseURL string, options Options) (*Payments, error) {
	path, err := parseURL(databaseURL)
	if err != nil {
		return nil, err
	}
	if err := checkOwn(context.Background(), path); err != nil {
		return nil, err
	}
	latest, err := schema.Latest(migrations.Files)
	if err != nil {
		return nil, err
	}
	opened := &file{path: path}
	writer, err := openPool(forWriting(path), opened, true)
	if err != nil {
		return nil, err
	}
	writer.SetMaxOpenConns(1)
	reader, err := openPool(forReading(path), opened, false)
	if err != nil {
		return nil, errors.Join(err, writer.Close())
	}
	reader.SetMaxOpenConns(readers)
	reader.SetMaxIdleConns(readers)
	s := &Payments{
		path: path, file: opened, writer: writer, readers: reader, latest: latest,
		timeout: cmp.Or(options.Timeout, 5*time.Second),
		clock:   options.Clock,
		log:     cmp.Or(options.Log, slog.Default()),
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	s.subscribers = subscribers.New(s.readEndpoints)
	s.writes = groupcommit.NewBatcher(maxBatchRows, 1, s.timeout, s.writeBatch) // one, because there is one connection
	return s, nil
}

// Close closes the connections. It waits for the calls in flight.
func (s *Payments) Close() error {
	if err := s.file.check(); err != nil {
		ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
		defer cancel()
		s.log.Warn("the files at the database's path are left as they are", "error", errors.Join(err, s.keepLog(ctx)))
	}
	// The writer is last, because the last connection to close empties the write-ahead log.
	if err := errors.Join(s.readers.Close(), s.writer.Close()); err != nil {
		return fmt.Errorf("close the database: %w", err)
	}
	return nil
}

// Pools returns the connection statistics, by the name of the pool.
func (s *Payments) Pools() map[string]sql.DBStats {
	return map[string]sql.DBStats{"writer": s.writer.Stats(), "readers": s.readers.Stats()}
}

// Ready implements ports.Payments.
func (s *Payments) Ready(ctx context.Context) error {
	if err := s.file.check(); err != nil {
		return err
	}
	status, err := s.SchemaStatus(ctx)
	if err != nil {
		return err
	}
	return status.Err()
}

// SchemaStatus reads the schema's version, and changes nothing.
func (s *Payments) SchemaStatus(ctx context.Context) (schema.Status, error) {
	status := schema.Status{Latest: s.latest}
	if _, err := os.Stat(s.path); errors.Is(err, fs.ErrNotExist) {
		status.Missing = s.path
		return status, nil // a read must not create the file
	}
	err := s.read(ctx, func(ctx context.Context, q *queries.Queries, _ time.Time) error {
		row, err := q.SchemaVersion(ctx)
		if isNotFound(err) || isNoSuchTable(err) {
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

// now is the database's clock, in microseconds, as stored.
func (s *Payments) now() time.Time { return s.clock().UTC().Truncate(time.Microsecond) }
