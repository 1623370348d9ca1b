package sqlitestore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"paymentd/ports"
)

// connector opens the connections of a pool, all to the same file.
type connector struct {
	driver driver.Driver
	source string // its data source name
	file   *file
	writes bool
}

// openPool returns a pool of connections to the file. It opens none.
func openPool(source string, f *file, writes bool) (*sql.DB, error) {
	named, err := sql.Open("sqlite", source) // only its driver is used
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	c := &connector{driver: named.Driver(), source: source, file: f, writes: writes}
	if err := named.Close(); err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	return sql.OpenDB(c), nil
}

// Connect implements driver.Connector.
func (c *connector) Connect(context.Context) (driver.Conn, error) {
	if err := c.file.opening(c.writes); err != nil {
		return nil, err
	}
	conn, err := c.driver.Open(c.source)
	if err != nil {
		return nil, err
	}
	if err := c.file.opened(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// Driver implements driver.Connector.
func (c *connector) Driver() driver.Driver { return c.driver }

// journalMode and pageBytes read a pragma in a transaction.
func journalMode(tx *sql.Tx) func(context.Context) (string, error) {
	return func(ctx context.Context) (mode string, err error) {
		err = tx.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode)
		return mode, err
	}
}

func pageBytes(tx *sql.Tx) func(context.Context) (int64, error) {
	return func(ctx context.Context) (int64, error) {
		var pages, size int64
		if err := tx.QueryRowContext(ctx, "PRAGMA page_count").Scan(&pages); err != nil {
			return 0, err
		}
		err := tx.QueryRowContext(ctx, "PRAGMA page_size").Scan(&size)
		return pages * size, err
	}
}

// keepLog makes SQLite keep the write-ahead log when the last connection closes. SQLite would delete
// it by its name, which may now be another database's.
func (s *Payments) keepLog(ctx context.Context) error {
	conn, err := s.writer.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	return conn.Raw(func(driverConn any) error {
		control, ok := driverConn.(interface {
			FileControlPersistWAL(dbName string, mode int) (int, error)
		})
		if !ok {
			return errors.ErrUnsupported
		}
		_, err := control.FileControlPersistWAL("main", 1)
		return err
	})
}

// checkLogEmptied finds out whether the log has shrunk because another process has emptied it: then
// all of it is in the database file, and a checkpoint has nothing to copy. From a truncated log a
// checkpoint fails.
func (s *Payments) checkLogEmptied(ctx context.Context) error {
	var busy, frames, copied int
	err := s.writer.QueryRowContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &frames, &copied)
	if isBusy(err) {
		return fmt.Errorf("%w: %w", ports.ErrUnavailable, err)
	}
	return s.file.logEmptied(err)
}
