package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/golang-migrate/migrate/v4/database"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/internal/schema"
	"paymentd/sql/sqlite/migrations"
)

const (
	lockTimeout      = 10 * time.Second // to wait for another process, which may be migrating
	migrationTimeout = time.Minute      // for a statement
)

// Schema returns the schema of the file of the URL, to migrate it.
func Schema(databaseURL string) (*schema.Schema, error) {
	path, err := parseURL(databaseURL)
	if err != nil {
		return nil, err
	}
	return schema.New(migrations.Files, func(ctx context.Context, alone bool) (schema.Database, error) {
		if err := checkOwn(ctx, path); err != nil {
			return nil, err
		}
		if alone {
			return connectAlone(ctx, path)
		}
		if err := create(path); err != nil {
			return nil, err
		}
		return connect(ctx, forWriting(path))
	}, isTransientInMigration), nil
}

func connect(ctx context.Context, dataSource string) (*migrator, error) {
	db, err := sql.Open("sqlite", dataSource)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the database: %w", err), db.Close())
	}
	return &migrator{db: db, conn: conn}, nil
}

// connectAlone opens a file that is there and that no other connection, of this process or another, has
// open, and keeps others out until it is closed. A connection that has a write-ahead log open holds a
// shared lock on the file, so that the exclusive one is not to be had beside it
// (sqlite.org/wal.html, "Use of WAL Without Shared-Memory").
func connectAlone(ctx context.Context, path string) (*migrator, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, &schema.RefusedError{Why: schema.Status{Missing: path}.Err().Error()}
	}
	m, err := connect(ctx, forWritingAlone(path))
	if err == nil {
		// The lock is taken by the first read.
		if err = m.execute("SELECT COUNT(*) FROM sqlite_schema"); err == nil {
			return m, nil
		}
		err = errors.Join(err, m.Close())
	}
	if isBusy(err) {
		return nil, &schema.RefusedError{Why: "another process has the database file " + path + " open: stop it first"}
	}
	return nil, err
}

// migrator is golang-migrate's driver. The one that golang-migrate has for SQLite does not
// lock out other processes. This one runs all migrations of a run in one transaction, whose
// write lock is the lock, and which leaves the schema as it was when one of them fails.
type migrator struct {
	db     *sql.DB
	conn   *sql.Conn
	failed bool
}

// Open is not offered: a migrator is made by Schema.
func (m *migrator) Open(string) (database.Driver, error) {
	return nil, errors.New("a migrator is not opened by its URL")
}

// Close implements database.Driver.
func (m *migrator) Close() error { return errors.Join(m.conn.Close(), m.db.Close()) }

// Lock begins the transaction.
func (m *migrator) Lock() error {
	m.failed = false
	for deadline := time.Now().Add(lockTimeout); ; {
		err := m.execute("BEGIN IMMEDIATE")
		if isBusy(err) && time.Now().Before(deadline) {
			continue // SQLite has waited already
		}
		if err != nil {
			return fmt.Errorf("lock the schema: %w", err)
		}
		break
	}
	return m.keep(m.execute("CREATE TABLE IF NOT EXISTS schema_migrations (" +
		"version INTEGER NOT NULL, dirty INTEGER NOT NULL) STRICT"))
}

// Unlock ends the transaction: by a rollback when anything has failed.
func (m *migrator) Unlock() error {
	if m.failed {
		return m.execute("ROLLBACK")
	}
	return m.execute("COMMIT")
}

// Run implements database.Driver.
func (m *migrator) Run(migration io.Reader) error {
	statement, err := io.ReadAll(migration)
	if err != nil {
		return m.keep(err)
	}
	if err := m.execute(string(statement)); err != nil {
		return m.keep(fmt.Errorf("run %q: %w", statement, err))
	}
	return nil
}

// SetVersion implements database.Driver.
func (m *migrator) SetVersion(version int, dirty bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), migrationTimeout)
	defer cancel()
	q := queries.New(m.conn)
	err := q.DeleteSchemaVersion(ctx)
	if err == nil && version != database.NilVersion {
		err = q.InsertSchemaVersion(ctx, queries.InsertSchemaVersionParams{
			Version: int64(version), Dirty: dirty,
		})
	}
	return m.keep(err)
}

// Version implements database.Driver.
func (m *migrator) Version() (version int, dirty bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), migrationTimeout)
	defer cancel()
	row, err := queries.New(m.conn).SchemaVersion(ctx)
	if isNotFound(err) || isNoSuchTable(err) {
		return database.NilVersion, false, nil
	}
	return int(row.Version), row.Dirty, err
}

// Drop is not offered: it deletes every payment.
func (m *migrator) Drop() error { return errors.New("a migrator does not drop the database") }

// keep notes a failure within the transaction.
func (m *migrator) keep(err error) error {
	m.failed = m.failed || err != nil
	return err
}

func (m *migrator) execute(statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), migrationTimeout)
	defer cancel()
	_, err := m.conn.ExecContext(ctx, statement)
	return err
}
