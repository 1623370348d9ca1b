// Package schema brings a database's tables to the version that this program was built for,
// on any of its databases.
package schema

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database"
	"github.com/golang-migrate/migrate/v4/source"
	"github.com/golang-migrate/migrate/v4/source/iofs"

	"paymentd/ports"
)

// Schema is the schema of one database. Several processes may call its methods at the same time: one
// migrates, and the others wait and find it done. The methods return ports.ErrUnavailable if a retry
// may succeed.
type Schema struct {
	files       fs.FS
	connect     Connect
	isTransient func(error) bool

	// OnStep is called before each migration, with its version and the version after the last one. Nil for none.
	OnStep func(version, latest uint)
}

// Connect opens a connection that is only for migrations. With alone, it returns a [RefusedError] if
// another process uses the database and the engine can detect that, or if there is no database. The
// database of another program is a [ForeignError].
type Connect func(ctx context.Context, alone bool) (Database, error)

// Database is a database's side of the migrations. Its lock must hold across processes.
type Database interface {
	database.Driver

	// CountRows counts the rows of a table; 0 if the table is missing.
	CountRows(ctx context.Context, table string) (int64, error)
	// AliveReplicas returns the replicas whose latest heartbeat is younger than timeout, unless the engine
	// itself excludes other processes.
	AliveReplicas(ctx context.Context, timeout time.Duration) ([]string, error)
	// RecordLoss records what is about to be dropped, in a table of its own.
	RecordLoss(ctx context.Context, lost []Loss) error
	// RecordedLosses returns the recorded losses, and ForgetLosses deletes them.
	RecordedLosses(ctx context.Context) ([]Loss, error)
	ForgetLosses(ctx context.Context) error
}

// checkTimeout limits the checks before a step back, which count the rows of large tables.
const checkTimeout = 10 * time.Minute

// LossTable is the table of recorded losses. It is no part of the schema: it exists only after a loss,
// until the loss is forgotten.
const LossTable = "dropped_rows"

// New returns the schema of the migrations in files. isTransient reports which errors of the database
// may not occur again.
func New(files fs.FS, connect Connect, isTransient func(error) bool) *Schema {
	return &Schema{files: files, connect: connect, isTransient: isTransient}
}

// Up runs the missing migrations. It does not change a schema that is newer than this program; see
// [Status.Err]. After a loss that [Schema.Down] has recorded, it creates no tables, and returns a
// [DroppedError].
func (s *Schema) Up(ctx context.Context) error { return s.up(ctx, false) }

// StartEmpty is Up after a recorded loss, which it forgets.
func (s *Schema) StartEmpty(ctx context.Context) error { return s.up(ctx, true) }

func (s *Schema) up(ctx context.Context, startEmpty bool) error {
	check := func(db Database) error {
		status, err := s.status(db)
		switch {
		case err != nil:
			return err
		case status.Dirty && !status.newer():
			return migrate.ErrDirty{Version: int(status.Version)}
		case status.Version >= status.Latest:
			return migrate.ErrNoChange
		}
		lost, err := db.RecordedLosses(ctx)
		switch {
		case err != nil:
			return fmt.Errorf("read the recorded losses: %w", err)
		case len(lost) > 0 && !startEmpty:
			return &DroppedError{Lost: lost}
		case len(lost) > 0:
			return db.ForgetLosses(ctx)
		}
		return nil
	}
	return s.migrate(ctx, "migrate up", false, check, (*migrate.Migrate).Up)
}

// migrate runs one change of the schema, unless check returns an error. check runs under the lock of
// the migrations.
func (s *Schema) migrate(
	ctx context.Context, what string, alone bool, check func(Database) error, change func(*migrate.Migrate) error,
) error {
	err := s.with(ctx, alone, check, func(m *migrate.Migrate, db Database) error {
		if err := change(m); err != nil && !errors.Is(err, migrate.ErrNoChange) {
			return s.explain(db, err)
		}
		return ctx.Err() // the library reports no error after a graceful stop
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// explain adds to the error of a failed change what state the schema is in and what to do. It runs
// after the change, because before it, a schema that another process migrates looks dirty.
func (s *Schema) explain(db Database, err error) error {
	status, statusErr := s.status(db)
	_, refused := errors.AsType[*RefusedError](err)
	_, dropped := errors.AsType[*DroppedError](err)
	var dirty migrate.ErrDirty
	switch {
	case statusErr != nil, refused, dropped, errors.Is(err, errDryRun):
		return err
	case status.newer():
		return s.tooNew(status)
	case errors.As(err, &dirty):
		return status.Err()
	case status.Dirty:
		return fmt.Errorf("%w; %w", err, status.Err())
	}
	return err
}

func (s *Schema) tooNew(status Status) error {
	return fmt.Errorf("the schema is at version %d, newer than the %d that this program knows: "+
		"run a newer paymentd", status.Version, status.Latest)
}

func (s *Schema) status(db Database) (Status, error) {
	latest, err := Latest(s.files)
	if err != nil {
		return Status{}, err
	}
	version, dirty, err := db.Version()
	if err != nil {
		return Status{}, err
	}
	return Status{Version: uint(max(0, version)), Latest: latest, Dirty: dirty}, nil
}

// checked is a Database whose Lock fails if check does.
type checked struct {
	Database

	check  func(Database) error
	onStep func(version int)
}

// SetVersion implements database.Driver. The library marks the schema as dirty before each migration.
func (c *checked) SetVersion(version int, dirty bool) error {
	if dirty {
		c.onStep(version)
	}
	return c.Database.SetVersion(version, dirty)
}

// Lock implements database.Driver.
func (c *checked) Lock() error {
	if err := c.Database.Lock(); err != nil {
		return err
	}
	if err := c.check(c.Database); err != nil {
		return errors.Join(err, c.Unlock())
	}
	return nil
}

// with runs use on a connection of its own. When ctx ends, the current migration is finished and no
// further one begins.
func (s *Schema) with(
	ctx context.Context, alone bool, check func(Database) error, use func(*migrate.Migrate, Database) error,
) (err error) {
	files, err := openFiles(s.files)
	if err != nil {
		return err
	}
	db, err := s.connect(ctx, alone)
	if err != nil {
		return errors.Join(s.classify(err), files.Close())
	}
	m, err := newMigrate(files, &checked{Database: db, check: check, onStep: s.step})
	if err != nil {
		return err
	}
	defer func() {
		sourceErr, driverErr := m.Close()
		err = errors.Join(s.classify(err), sourceErr, driverErr)
	}()
	if alone {
		m.LockTimeout = checkTimeout
	}
	stop := context.AfterFunc(ctx, func() { m.GracefulStop <- true })
	defer stop()
	return use(m, db)
}

// step reports a migration that begins.
func (s *Schema) step(version int) {
	latest, err := Latest(s.files)
	if s.OnStep != nil && err == nil {
		s.OnStep(uint(max(0, version)), latest)
	}
}

// classify wraps transient errors, and the timeout of the lock of the migrations, as
// ports.ErrUnavailable.
func (s *Schema) classify(err error) error {
	cause := err
	if failed, ok := errors.AsType[*database.Error](err); ok {
		cause = failed.OrigErr // it has no Unwrap
	}
	if errors.Is(err, database.ErrLocked) || errors.Is(err, migrate.ErrLockTimeout) || s.isTransient(cause) {
		return fmt.Errorf("%w: %w", ports.ErrUnavailable, err)
	}
	return err
}

// maxMigrations is more than the migrations that a schema has. golang-migrate reads that many ahead: with fewer, the
// goroutine that reads them would wait forever after a migration has failed.
const maxMigrations = 1000

func newMigrate(files source.Driver, driver database.Driver) (*migrate.Migrate, error) {
	m, err := migrate.NewWithInstance("iofs", files, "database", driver)
	if err != nil {
		return nil, errors.Join(err, files.Close(), driver.Close())
	}
	m.PrefetchMigrations = maxMigrations
	return m, nil
}

func openFiles(files fs.FS) (source.Driver, error) { return iofs.New(files, ".") }
