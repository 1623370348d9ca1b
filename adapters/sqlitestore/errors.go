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

// away are the results for a database that cannot be used now, and may be later.
var away = []int{
	sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_NOMEM,
	sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN,
}

// told wraps the error of a call that certainly wrote nothing.
func told(err error) error {
	if slices.Contains(away, result(err)) || isContextError(err) {
		return fmt.Errorf("%w: %w", ports.ErrUnavailable, err)
	}
	return err
}

// toldAtCommit wraps the error of a COMMIT. SQLite says of it that nothing is committed, but
// after an I/O error the end of the transaction may be in the file, and be found after a
// crash.
func toldAtCommit(err error) error {
	if result(err) == sqlite3.SQLITE_IOERR {
		return fmt.Errorf("%w: %w", ports.ErrInDoubt, err)
	}
	return told(err)
}

// result returns SQLite's primary result code (sqlite.org/rescode.html), or 0 where err is
// not SQLite's.
func result(err error) int {
	if refusal, ok := errors.AsType[*sqlite.Error](err); ok {
		return refusal.Code() & 0xff
	}
	return sqlite3.SQLITE_OK
}

func isBusy(err error) bool { return result(err) == sqlite3.SQLITE_BUSY }

// noSuchTable reports whether the statement, which is known to be right, found no table.
func noSuchTable(err error) bool { return result(err) == sqlite3.SQLITE_ERROR }

func isContextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func noRows(err error) bool { return errors.Is(err, sql.ErrNoRows) }
