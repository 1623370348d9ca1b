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

// ownTables are paymentd's tables that can exist without the table payments: before the first
// migration, and after the last step back.
var ownTables = []string{"schema_migrations", schema.LossTable}

// lookTimeout limits checkOwn.
const lookTimeout = 5 * time.Second

// checkOwn returns a *schema.ForeignError if the file is another program's. It changes nothing, and
// creates no file. A file that cannot be read passes, because its first use reports why.
//
// The file is read through SQLite, and not by os.Open: closing a file drops the locks that SQLite holds
// on it in the same process (sqlite.org/howtocorrupt.html, 2.2).
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

// checkStrayLog refuses a symbolic link that has a write-ahead log beside it. SQLite keeps the log
// beside the file that the link names (sqlite.org/howtocorrupt.html, "Multiple links to the same
// file"), so that it would ignore the commits in this one, and their orders would be charged again.
func checkStrayLog(path string) error {
	link, err := os.Lstat(path)
	if err != nil || link.Mode()&fs.ModeSymlink == 0 {
		return nil //nolint:nilerr // opening the file reports it
	}
	log, err := os.Stat(path + "-wal")
	if err != nil || log.Size() == 0 {
		return nil //nolint:nilerr // there is no log
	}
	return &schema.RefusedError{Why: path + " is a symbolic link, and " + path + "-wal may hold payments that the linked file " +
		"lacks: move it beside that file, under that file's name, or remove it if it belongs to another database"}
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
