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
	lockTimeout      = 10 * time.Second // for another process, which may be migrating
	migrationTimeout = time.Minute      // for one statement
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

// connectAlone opens an existing file that no other connection, of this process or another, has open,
// and excludes others until it is closed. Every connection with an open write-ahead log holds a shared
// lock on the file, which excludes the exclusive one (sqlite.org/wal.html, "Use of WAL Without
// Shared-Memory").
func connectAlone(ctx context.Context, path string) (*migrator, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, &schema.RefusedError{Why: schema.Status{Missing: path}.Err().Error()}
	}
	m, err := connect(ctx, forWritingAlone(path))
	if err == nil {
		// The first read takes the lock.
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

// migrator is a driver of golang-migrate, whose own for SQLite does not lock out other processes. This
// one runs all migrations of a run in one transaction. Its write lock is the lock, and if a migration
// fails, the schema stays as it was.
type migrator struct {
	db     *sql.DB
	conn   *sql.Conn
	failed bool
}

// Open always fails: Schema makes the migrators.
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
			continue // SQLite has waited for busyTimeout
		}
		if err != nil {
			return fmt.Errorf("lock the schema: %w", err)
		}
		break
	}
	return m.keep(m.execute("CREATE TABLE IF NOT EXISTS schema_migrations (" +
		"version INTEGER NOT NULL, dirty INTEGER NOT NULL) STRICT"))
}

// Unlock ends the transaction: by a rollback if anything has failed.
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

// Drop always fails, because it would delete every payment.
func (m *migrator) Drop() error { return errors.New("a migrator does not drop the database") }

// keep records a failure in the transaction.
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
