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
	sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN,
}

// refusing are the results for a database that can be read, and takes no writes.
var refusing = map[int]string{
	sqlite3.SQLITE_READONLY: "the file, or its folder, is read-only for this user",
	sqlite3.SQLITE_PERM:     "this user has no right to write the file",
	sqlite3.SQLITE_FULL:     "the disk is full",
}

// told wraps the error of a call that certainly wrote nothing.
func told(err error) error {
	if errors.Is(err, ports.ErrUnavailable) {
		return err
	}
	if why, known := refusing[result(err)]; known {
		return fmt.Errorf("%w: %s: %w", ports.ErrNotWritable, why, err)
	}
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

// notForNow reports whether a migration may work later, with nothing changed but the file's rights or
// the room on its disk.
func notForNow(err error) bool { return errors.Is(told(err), ports.ErrUnavailable) }

func isBusy(err error) bool { return result(err) == sqlite3.SQLITE_BUSY }

// noSuchTable reports whether the statement, which is known to be right, found no table.
func noSuchTable(err error) bool { return result(err) == sqlite3.SQLITE_ERROR }

func isContextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func noRows(err error) bool { return errors.Is(err, sql.ErrNoRows) }
