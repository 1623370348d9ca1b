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
	// busyPause is the longest pause before asking again for a lock that was not to be had, and
	// before the next try after another transient error.
	busyPause = 20 * time.Millisecond
	// maxTries bounds the tries after errors other than that of a lock.
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

// reconnect closes the connections. SQLite opens files that it may not write for reading, and never
// learns that it may write them by now.
func (s *Payments) reconnect(ctx context.Context) {
	s.readers.SetMaxIdleConns(0) // closes them: they share the index of the log with the writer
	s.readers.SetMaxIdleConns(readers)
	conn, err := s.writer.Conn(ctx)
	if err != nil {
		return // there is none
	}
	_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // by which the pool closes it
	_ = conn.Close()                                           // it is closed
}

func (s *Payments) transactOnce(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return classify(fmt.Errorf("begin: %w", err))
	}
	defer func() { _ = tx.Rollback() }() // does nothing after the commit
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
		return fmt.Errorf("%w: %w", ports.ErrInDoubt, err) // what was committed may be gone with the file
	}
	return nil
}

// whileBusy calls work until it does not fail for another process' lock, or the call's time
// is over. After another transient error, work is called maxTries times in all, unless
// the error says that a change may be stored.
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

// pause returns false when ctx has ended.
func pause(ctx context.Context) bool {
	timer := time.NewTimer(rand.N(busyPause)) //nolint:gosec // nobody gains by guessing it
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
