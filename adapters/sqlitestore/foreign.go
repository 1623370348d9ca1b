package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"paymentd/internal/schema"
)

// ownTables are the tables that are there without payments: before the first migration, and after the
// last step back.
var ownTables = []string{"schema_migrations", schema.LossTable}

// lookTimeout bounds the look at what is in a file.
const lookTimeout = 5 * time.Second

// checkOwn returns a *schema.ForeignError if the file is another program's. It changes nothing, and
// makes no file. A file that cannot be read now passes: using it says why.
//
// SQLite reads the file, never os.Open: to close a file drops the locks that SQLite holds on it in the
// same process (sqlite.org/howtocorrupt.html, 2.2).
func checkOwn(ctx context.Context, path string) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := checkStrayLog(path); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	db, err := sql.Open("sqlite", forReading(path))
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	err = checkTables(ctx, db, path)
	if foreign, ok := errors.AsType[*schema.ForeignError](err); ok {
		return errors.Join(foreign, db.Close())
	}
	if result(err) == sqlite3.SQLITE_NOTADB {
		return errors.Join(&schema.ForeignError{What: path + " is not a SQLite database"}, db.Close())
	}
	_ = db.Close() // it was only read
	return nil
}

// checkStrayLog refuses a symbolic link beside which a write-ahead log lies: SQLite keeps the log beside the
// file that the link names (sqlite.org/howtocorrupt.html, "Multiple links to the same file"), and what
// is committed to this one would be passed over, and charged again.
func checkStrayLog(path string) error {
	link, err := os.Lstat(path)
	if err != nil || link.Mode()&fs.ModeSymlink == 0 {
		return nil //nolint:nilerr // the open says what is wrong
	}
	log, err := os.Stat(path + "-wal")
	if err != nil || log.Size() == 0 {
		return nil //nolint:nilerr // there is none
	}
	return &schema.RefusedError{Why: path + " is a symbolic link, and " + path + "-wal lies beside it, which may hold payments " +
		"that the linked file lacks: move it beside that file, under its name, or away if it belongs to another database"}
}

func checkTables(ctx context.Context, db *sql.DB, path string) error {
	foreign := &schema.ForeignError{What: path + " is a SQLite database of another program"}
	names, err := texts(ctx, db, "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
	if err != nil {
		return err
	}
	if !slices.Contains(names, "payments") {
		for _, name := range names {
			if !slices.Contains(ownTables, name) {
				return foreign
			}
		}
		return nil
	}
	columns, err := texts(ctx, db, "SELECT name FROM pragma_table_info('payments')")
	if err != nil {
		return err
	}
	for _, own := range []string{"order_id", "gateway_key", "fence"} {
		if !slices.Contains(columns, own) {
			return foreign
		}
	}
	return nil
}

// texts returns the only column of a query.
func texts(ctx context.Context, db *sql.DB, query string) (found []string, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		found = append(found, text)
	}
	return found, rows.Err()
}
