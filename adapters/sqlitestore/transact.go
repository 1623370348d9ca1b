package sqlitestore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/ports"
)

const (
	// busyPause is the longest pause before the next try after a lock that was held, or another
	// transient error.
	busyPause = 20 * time.Millisecond
	// maxTries limits the tries after errors other than a held lock.
	maxTries = 4
)

// read runs a query that changes nothing, at the database's now.
func (s *Payments) read(
	ctx context.Context, query func(context.Context, *queries.Queries, time.Time) error,
) error {
	return s.retry(ctx, func(ctx context.Context) error {
		return classify(query(ctx, queries.New(s.readers), s.now()))
	})
}

// transact runs do as one transaction, under the write lock from the beginning.
func (s *Payments) transact(ctx context.Context, do func(*sql.Tx) error) error {
	err := s.transactOnce(ctx, do)
	if errors.Is(err, errLogShrank) {
		if err := s.checkLogEmptied(ctx); err != nil {
			return err
		}
		err = s.transactOnce(ctx, do)
	}
	if result(err) == sqlite3.SQLITE_READONLY {
		s.reconnect(ctx)
	}
	return err
}

// reconnect closes the connections. SQLite opens a file that it may not write read-only, and does not
// notice when that changes.
func (s *Payments) reconnect(ctx context.Context) {
	s.readers.SetMaxIdleConns(0) // closes them: they share the index of the log with the writer
	s.readers.SetMaxIdleConns(readers)
	conn, err := s.writer.Conn(ctx)
	if err != nil {
		return // no connection is open
	}
	_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // makes the pool close it
	_ = conn.Close()                                           // reports that it is closed
}

func (s *Payments) transactOnce(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return classify(fmt.Errorf("begin: %w", err))
	}
	defer func() { _ = tx.Rollback() }() // no effect after the commit
	if err := s.file.begun(ctx, journalMode(tx), pageBytes(tx)); err != nil {
		return classify(err)
	}
	if err := do(tx); err != nil {
		return classify(err)
	}
	if err := s.file.check(); err != nil { // as late as possible
		return err
	}
	if err := tx.Commit(); err != nil {
		return classifyCommit(fmt.Errorf("commit: %w", err))
	}
	if err := s.file.committed(); err != nil {
		return fmt.Errorf("%w: %w", ports.ErrInDoubt, err) // the commit may be lost with the file
	}
	return nil
}

// retry calls work until no other process holds the lock, or the timeout passes. After other transient
// errors, work is called maxTries times in all. An error in doubt is not retried.
func (s *Payments) retry(ctx context.Context, work func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	for tries := 1; ; {
		err := work(ctx)
		switch {
		case err == nil, errors.Is(err, ports.ErrInDoubt):
			return err
		case isBusy(err):
		case isTransient(err) && tries < maxTries:
			tries++
		default:
			return err
		}
		if !pause(ctx) {
			return err
		}
	}
}

// pause returns false if ctx ends.
func pause(ctx context.Context) bool {
	timer := time.NewTimer(rand.N(busyPause)) //nolint:gosec // jitter need not be unpredictable
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
