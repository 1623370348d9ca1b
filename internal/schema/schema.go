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

// Schema is the schema of one database. Its methods are safe to call from several
// processes at once: one of them works, and the others then find it done. They return
// ports.ErrUnavailable where it is worth trying again.
type Schema struct {
	files       fs.FS
	connect     Connect
	isTransient func(error) bool
}

// Connect opens a connection for migrations alone. alone asks for a database that no other process
// uses, where the engine can tell; a [RefusedError] says that one does. Neither a database of another
// program ([ForeignError]) nor, with alone, one that is not there is touched.
type Connect func(ctx context.Context, alone bool) (Database, error)

// Database is a database's side of the migrations. Its lock must hold across processes.
type Database interface {
	database.Driver

	// CountRows counts the rows of a table; those of a missing one are none.
	CountRows(ctx context.Context, table string) (int64, error)
	// AliveReplicas returns the replicas whose last heartbeat is younger than timeout, if the engine
	// cannot tell better which processes are there.
	AliveReplicas(ctx context.Context, timeout time.Duration) ([]string, error)
	// RecordLoss keeps what is about to be dropped for good, in a table of its own.
	RecordLoss(ctx context.Context, lost []Loss) error
	// RecordedLosses returns it, and ForgetLosses forgets it.
	RecordedLosses(ctx context.Context) ([]Loss, error)
	ForgetLosses(ctx context.Context) error
}

// checkTimeout bounds the checks before a step back, which count the rows of large tables.
const checkTimeout = 10 * time.Minute

// LossTable is the table of recorded losses. It is no part of the schema: it is there only after a
// loss, and until it is forgotten.
const LossTable = "dropped_rows"

// New returns the schema that the migrations in files make. transient reports which errors of the
// database come of its being away or busy for now.
func New(files fs.FS, connect Connect, transient func(error) bool) *Schema {
	return &Schema{files: files, connect: connect, isTransient: transient}
}

// Up runs the migrations that are missing. A schema that is newer than this program is left as
// it is: see [Status.Err]. After a loss that [Schema.Down] has recorded, it makes no tables, and returns a
// [DroppedError].
func (s *Schema) Up(ctx context.Context) error { return s.up(ctx, false) }

// StartEmpty is Up after a loss, which it forgets.
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
			return fmt.Errorf("look for what was dropped: %w", err)
		case len(lost) > 0 && !startEmpty:
			return &DroppedError{Lost: lost}
		case len(lost) > 0:
			return db.ForgetLosses(ctx)
		}
		return nil
	}
	return s.migrate(ctx, "migrate up", false, check, (*migrate.Migrate).Up)
}

// migrate runs one change of the schema, unless check, which runs under its lock, says otherwise.
func (s *Schema) migrate(
	ctx context.Context, what string, alone bool, check func(Database) error, change func(*migrate.Migrate) error,
) error {
	err := s.with(ctx, alone, check, func(m *migrate.Migrate, db Database) error {
		if err := change(m); err != nil && !errors.Is(err, migrate.ErrNoChange) {
			return s.explain(db, err)
		}
		return ctx.Err() // a graceful stop is not told as an error
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// explain says what state the schema is in, and what to do about it, where a change failed
// for that or has left it so. It is asked afterwards: before the change, what looks dirty may
// be another process at work.
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

// checked is a database whose lock is had only if the check under it agrees.
type checked struct {
	Database

	check func(Database) error
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

// with runs use on a connection of its own. When ctx ends, the migration at hand is
// finished and no further one begun.
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
	m, err := newMigrate(files, &checked{Database: db, check: check})
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

// told marks the error of a database that is away, or in which another process migrates for
// longer than was waited for.
func (s *Schema) classify(err error) error {
	cause := err
	if failed, ok := errors.AsType[*database.Error](err); ok {
		cause = failed.OrigErr // which it does not unwrap to
	}
	if errors.Is(err, database.ErrLocked) || errors.Is(err, migrate.ErrLockTimeout) || s.isTransient(cause) {
		return fmt.Errorf("%w: %w", ports.ErrUnavailable, err)
	}
	return err
}

func newMigrate(files source.Driver, driver database.Driver) (*migrate.Migrate, error) {
	m, err := migrate.NewWithInstance("iofs", files, "database", driver)
	if err != nil {
		return nil, errors.Join(err, files.Close(), driver.Close())
	}
	return m, nil
}

func openFiles(files fs.FS) (source.Driver, error) { return iofs.New(files, ".") }
