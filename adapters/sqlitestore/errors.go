package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"paymentd/ports"
)

// permanent are the result codes (sqlite.org/rescode.html) that the same statement always gets: syntax
// or schema, data, and a file that is damaged or no database. All others are transient.
var permanent = []int{
	sqlite3.SQLITE_ERROR, sqlite3.SQLITE_INTERNAL, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTFOUND,
	sqlite3.SQLITE_EMPTY, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH,
	sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_NOLFS, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_FORMAT,
	sqlite3.SQLITE_RANGE, sqlite3.SQLITE_NOTADB,
}

// rolledBack are the result codes of a COMMIT that certainly committed nothing.
var rolledBack = []int{
	sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY,
}

// refusing are the result codes of a database that can be read but not written.
var refusing = map[int]string{
	sqlite3.SQLITE_READONLY: "the file, or its folder, is read-only for this user",
	sqlite3.SQLITE_PERM:     "this user has no right to write the file",
	sqlite3.SQLITE_FULL:     "the disk is full",
}

// classify wraps the error of a call that certainly wrote nothing, as one of the port's.
func classify(err error) error {
	if errors.Is(err, ports.ErrUnavailable) {
		return err
	}
	if why, known := refusing[result(err)]; known {
		return fmt.Errorf("%w: %s: %w", ports.ErrNotWritable, why, err)
	}
	if isTransient(err) || isContextError(err) {
		return fmt.Errorf("%w: %w", ports.ErrUnavailable, err)
	}
	if lacksSchema(err) {
		return fmt.Errorf("%w: a table or a column is missing: %w", ports.ErrNotWritable, err)
	}
	return err
}

// lacksSchema reports whether a table or a column that the statement names is missing. SQLite has no
// result code of its own for that.
func lacksSchema(err error) bool {
	return result(err) == sqlite3.SQLITE_ERROR &&
		(strings.Contains(err.Error(), "no such table") || strings.Contains(err.Error(), "no such column") ||
			strings.Contains(err.Error(), "has no column named"))
}

// classifyCommit wraps the error of a COMMIT. SQLite reports that nothing was committed, but after an
// I/O error, for example, the commit record may be in the file, and count after a crash.
func classifyCommit(err error) error {
	if isTransient(err) && !slices.Contains(rolledBack, result(err)) {
		return fmt.Errorf("%w: %w", ports.ErrInDoubt, err)
	}
	return classify(err)
}

// isTransient reports whether err is SQLite's, and the same statement may work later.
func isTransient(err error) bool {
	code := result(err)
	return code != sqlite3.SQLITE_OK && !slices.Contains(permanent, code)
}

// result returns SQLite's primary result code (sqlite.org/rescode.html), or 0 if err is not SQLite's.
func result(err error) int {
	if refusal, ok := errors.AsType[coded](err); ok {
		return refusal.Code() & 0xff
	}
	return sqlite3.SQLITE_OK
}

// isTransientInMigration reports whether a migration may work later, when the file's permissions or
// its disk's free space have changed.
func isTransientInMigration(err error) bool {
	return errors.Is(classify(err), ports.ErrUnavailable) && !lacksSchema(err)
}

// coded is an error with a SQLite result code: the driver's *sqlite.Error.
type coded interface {
	error
	Code() int
}

var _ coded = (*sqlite.Error)(nil)

func isBusy(err error) bool { return result(err) == sqlite3.SQLITE_BUSY }

// isNoSuchTable reports whether a statement that is otherwise correct found no table.
func isNoSuchTable(err error) bool { return result(err) == sqlite3.SQLITE_ERROR }

func isContextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func isNotFound(err error) bool { return errors.Is(err, sql.ErrNoRows) }
