// Package schema brings a database's tables to the version that this program was built for,
// on any of its databases.
package schema

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

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
	files   fs.FS
	connect Connect
	passing func(error) bool
}

// Connect opens a connection for migrations alone. Its driver's lock must hold across
// processes.
type Connect func(ctx context.Context) (database.Driver, error)

// New returns the schema that the migrations in files make. passing reports which errors of the
// database come of its being away or busy for now.
func New(files fs.FS, connect Connect, passing func(error) bool) *Schema {
	return &Schema{files: files, connect: connect, passing: passing}
}

// Up runs the migrations that are missing. A schema that is newer than this program is left as
// it is: see [Status.Err].
func (s *Schema) Up(ctx context.Context) error {
	return s.migrate(ctx, "migrate up", func(m *migrate.Migrate) error {
		if status, err := s.status(m); err == nil && status.newer() {
			return migrate.ErrNoChange
		}
		return m.Up()
	})
}

// Down undoes the latest migration, with the data that its tables hold.
func (s *Schema) Down(ctx context.Context) error {
	return s.migrate(ctx, "migrate down", func(m *migrate.Migrate) error {
		if _, _, err := m.Version(); errors.Is(err, migrate.ErrNilVersion) {
			return migrate.ErrNoChange
		}
		return m.Steps(-1)
	})
}

// DownAll undoes every migration, with all data.
func (s *Schema) DownAll(ctx context.Context) error {
	return s.migrate(ctx, "migrate down", (*migrate.Migrate).Down)
}

// Status reads where the schema stands.
func (s *Schema) Status(ctx context.Context) (status Status, err error) {
	err = s.with(ctx, func(m *migrate.Migrate) error {
		status, err = s.status(m)
		return err
	})
	if err != nil {
		return Status{}, fmt.Errorf("read the schema's version: %w", err)
	}
	return status, nil
}

// migrate runs one change of the schema.
func (s *Schema) migrate(ctx context.Context, what string, change func(*migrate.Migrate) error) error {
	err := s.with(ctx, func(m *migrate.Migrate) error {
		if err := change(m); err != nil && !errors.Is(err, migrate.ErrNoChange) {
			return s.explain(m, err)
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
func (s *Schema) explain(m *migrate.Migrate, err error) error {
	status, statusErr := s.status(m)
	var dirty migrate.ErrDirty
	switch {
	case statusErr != nil:
		return err
	case status.newer():
		return fmt.Errorf("the schema is at version %d, newer than the %d that this program knows: "+
			"run a newer paymentd", status.Version, status.Latest)
	case errors.As(err, &dirty):
		return status.Err()
	case status.Dirty:
		return fmt.Errorf("%w; %w", err, status.Err())
	}
	return err
}

func (s *Schema) status(m *migrate.Migrate) (Status, error) {
	latest, err := Latest(s.files)
	if err != nil {
		return Status{}, err
	}
	version, dirty, err := m.Version()
	if err != nil && !errors.Is(err, migrate.ErrNilVersion) {
		return Status{}, err
	}
	return Status{Version: version, Latest: latest, Dirty: dirty}, nil
}

// with runs use on a connection of its own. When ctx ends, the migration at hand is
// finished and no further one begun.
func (s *Schema) with(ctx context.Context, use func(*migrate.Migrate) error) (err error) {
	files, err := iofs.New(s.files, ".")
	if err != nil {
		return err
	}
	driver, err := s.connect(ctx)
	if err != nil {
		return errors.Join(s.told(err), files.Close())
	}
	m, err := newMigrate(files, driver)
	if err != nil {
		return err
	}
	defer func() {
		sourceErr, driverErr := m.Close()
		err = errors.Join(s.told(err), sourceErr, driverErr)
	}()
	stop := context.AfterFunc(ctx, func() { m.GracefulStop <- true })
	defer stop()
	return use(m)
}

// told marks the error of a database that is away, or in which another process migrates for
// longer than was waited for.
func (s *Schema) told(err error) error {
	cause := err
	if failed, ok := errors.AsType[*database.Error](err); ok {
		cause = failed.OrigErr // which it does not unwrap to
	}
	if errors.Is(err, database.ErrLocked) || errors.Is(err, migrate.ErrLockTimeout) || s.passing(cause) {
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
