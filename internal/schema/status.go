package schema

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/golang-migrate/migrate/v4/source/iofs"

	"paymentd/internal/doctor"
)

// Status is the version and state of a database's schema.
type Status struct {
	Version uint // of the latest migration that was run; 0 for none
	Latest  uint // the version that this program was built for
	// Dirty: the migration to Version began, and it is not known whether it finished.
	Dirty bool
	// Missing is the file of a database that does not exist; empty otherwise.
	Missing string
}

// Err returns nil if this program can work with the schema. Otherwise it says what is wrong and what
// to do.
//
// A newer schema is fine: the previous version can work with the schema that each migration leaves, so
// that replicas can be replaced one by one, and an upgrade can be rolled back. So is a newer schema
// that is dirty, which it is until its one statement has completed.
func (s Status) Err() error {
	switch {
	case s.Missing != "":
		return fmt.Errorf("there is no database at %s: name the right file, or run `paymentd migrate up`, which makes one", s.Missing)
	case s.newer():
		return nil
	case s.Dirty:
		return fmt.Errorf("the schema is dirty: the migration to version %d began and did not finish; "+
			"compare the tables with that migration's statement, finish it by hand or verify that it has run, "+
			"and then set dirty to false in schema_migrations", s.Version)
	case s.Version == 0:
		return errors.New("the database has no tables yet: run `paymentd migrate up`")
	case s.Version < s.Latest:
		return fmt.Errorf("the schema is at version %d and this program needs %d: run `paymentd migrate up`",
			s.Version, s.Latest)
	}
	return nil
}

// Finding is the doctor's finding about the schema. The next start creates a missing schema, and
// migrates an old one.
func (s Status) Finding() doctor.Finding {
	const check = "schema"
	switch err := s.Err(); {
	case s.newer() && s.Dirty:
		return doctor.Of(check, fmt.Sprintf("a newer program's migration to version %d is under way, or has failed", s.Version),
			false, doctor.Warn, "Check that it completes. This program can work meanwhile.")
	case s.Dirty:
		return doctor.Of(check, err.Error(), false, doctor.Fail, "The service is not ready until that is done.")
	case err != nil:
		return doctor.Of(check, err.Error(), false, doctor.Warn, "Or start the service, which does it at its start.")
	case s.newer():
		return doctor.Good(check, fmt.Sprintf("at version %d, newer than the %d of this program, which can work with it",
			s.Version, s.Latest))
	}
	return doctor.Good(check, fmt.Sprintf("current, at version %d", s.Version))
}

// Current reports whether the schema is the one that this program was built for.
func (s Status) Current() bool { return s.Version == s.Latest && !s.Dirty && s.Missing == "" }

// String describes the status in one line.
func (s Status) String() string {
	switch err := s.Err(); {
	case err != nil:
		return err.Error()
	case s.newer() && s.Dirty:
		return fmt.Sprintf("a newer program's migration to version %d is under way, or has failed; this program knows %d, "+
			"and can work meanwhile", s.Version, s.Latest)
	case s.newer():
		return fmt.Sprintf("the schema is at version %d, newer than the %d of this program, which can work with it", s.Version, s.Latest)
	}
	return fmt.Sprintf("the schema is current, at version %d", s.Version)
}

// newer reports whether a newer program has migrated the schema.
func (s Status) newer() bool { return s.Version > s.Latest }

// Latest returns the highest version of the migrations in files.
func Latest(files fs.FS) (uint, error) {
	migrations, err := iofs.New(files, ".")
	if err != nil {
		return 0, err
	}
	latest, err := migrations.First()
	for next := latest; err == nil; next, err = migrations.Next(next) {
		latest = next
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("list migrations: %w", err)
	}
	return latest, migrations.Close()
}

// ForeignError is the error of a database that another program uses. Nothing in it was changed.
type ForeignError struct{ What string }

// Error says what to do.
func (e *ForeignError) Error() string {
	return e.What + ": name a database of its own for paymentd; nothing was changed"
}
