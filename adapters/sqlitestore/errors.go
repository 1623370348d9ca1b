package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"paymentd/ports"
)

// permanent are the results (sqlite.org/rescode.html) of a statement that fails whenever it is run:
// syntax or schema, data, and a file that is damaged or no database. Every other one is of a
// database that cannot be used now, and may be later.
var permanent = []int{
	sqlite3.SQLITE_ERROR, sqlite3.SQLITE_INTERNAL, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTFOUND,
	sqlite3.SQLITE_EMPTY, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH,
	sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_NOLFS, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_FORMAT,
	sqlite3.SQLITE_RANGE, sqlite3.SQLITE_NOTADB,
}

// rolledBack are the results of a COMMIT that certainly committed nothing.
var rolledBack = []int{
	sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY,
}

// refusing are the results for a database that can be read, and takes no writes.
var refusing = map[int]string{
	sqlite3.SQLITE_READONLY: "the file, or its folder, is read-only for this user",
	sqlite3.SQLITE_PERM:     "this user has no right to write the file",
	sqlite3.SQLITE_FULL:     "the disk is full",
}

// told wraps the error of a call that certainly wrote nothing.
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
	return err
}

// toldAtCommit wraps the error of a COMMIT. SQLite says of it that nothing is committed, but
// after an I/O error, say, the end of the transaction may be in the file, and be found after a
// crash.
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

// result returns SQLite's primary result code (sqlite.org/rescode.html), or 0 where err is
// not SQLite's.
func result(err error) int {
	if refusal, ok := errors.AsType[coded](err); ok {
		return refusal.Code() & 0xff
	}
	return sqlite3.SQLITE_OK
}

// notForNow reports whether a migration may work later, with nothing changed but the file's rights or
// the room on its disk.
func isTransientInMigration(err error) bool { return errors.Is(classify(err), ports.ErrUnavailable) }

// coded is an error with a result code of SQLite's: the driver's *sqlite.Error.
type coded interface {
	error
	Code() int
}

var _ coded = (*sqlite.Error)(nil)

func isBusy(err error) bool { return result(err) == sqlite3.SQLITE_BUSY }

// noSuchTable reports whether the statement, which is known to be right, found no table.
func isNoSuchTable(err error) bool { return result(err) == sqlite3.SQLITE_ERROR }

func isContextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func isNotFound(err error) bool { return errors.Is(err, sql.ErrNoRows) }
