package sqlitestore

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/internal/groupcommit"
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
	return s.whileBusy(ctx, func(ctx context.Context) error {
		return told(query(ctx, queries.New(s.readers), s.now()))
	})
}

// change is what is done in a transaction, at the database's now. It may be done more than once:
// what an earlier time has written is undone before.
type change func(context.Context, *queries.Queries, time.Time) error

// write makes one change, whole or not at all, under the write lock. It shares its transaction
// with others that wait for the lock. Once it is begun, the end of ctx does not tear it off.
func (s *Payments) write(ctx context.Context, do change) error {
	err := s.writes.Do(ctx, s.timeout, do)
	switch {
	case errors.Is(err, groupcommit.ErrNotBegun):
		return told(err)
	case errors.Is(err, groupcommit.ErrPanicked):
		return s.writeTogether([]change{do})[0] // where it hurts nobody else
	}
	return err
}

// writeTogether makes changes in one transaction, and returns what became of each.
func (s *Payments) writeTogether(batch []change) []error {
	errs := make([]error, len(batch))
	err := s.whileBusy(context.Background(), func(ctx context.Context) error {
		clear(errs)
		return s.transact(ctx, func(tx *sql.Tx) error {
			now := s.now()
			if len(batch) == 1 {
				return batch[0](ctx, queries.New(tx), now)
			}
			for i, do := range batch {
				var err error
				if errs[i], err = undoable(ctx, tx, do, now); err != nil {
					return err
				}
			}
			return nil
		})
	})
	alone := len(batch) > 1 && err != nil &&
		!errors.Is(err, ports.ErrUnavailable) && !errors.Is(err, ports.ErrInDoubt)
	for i := range errs {
		switch {
		case alone, // one of them has spoilt it for the others
			err == nil && isTransient(errs[i]) && len(batch) > 1: // it was undone, and may go well by itself
			errs[i] = s.writeTogether(batch[i : i+1])[0]
		case errs[i] != nil:
			errs[i] = told(errs[i])
		default:
			errs[i] = err
		}
	}
	return errs
}

// undoable makes one change of several in a transaction. Its first error is the change's own,
// which is undone; the second is one that the transaction cannot go on after.
func undoable(ctx context.Context, tx *sql.Tx, do change, now time.Time) (own, fatal error) {
	if _, err := tx.ExecContext(ctx, "SAVEPOINT one"); err != nil {
		return nil, fmt.Errorf("begin one of several changes: %w", err)
	}
	end := "RELEASE one"
	if own = do(ctx, queries.New(tx), now); own != nil {
		end = "ROLLBACK TO one; RELEASE one"
	}
	// After some errors there is no transaction any more (sqlite.org/lang_transaction.html,
	// "Response To Errors Within A Transaction"), and this is where that shows.
	if _, err := tx.ExecContext(ctx, end); err != nil {
		return own, fmt.Errorf("end one of several changes: %w", cmp.Or(own, err))
	}
	return own, nil
}

// transact runs do as one transaction, under the write lock from the beginning.
func (s *Payments) transact(ctx context.Context, do func(*sql.Tx) error) error {
	err := s.transactOnce(ctx, do)
	if errors.Is(err, errLogShrank) {
		if err := s.emptied(ctx); err != nil {
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
		return told(fmt.Errorf("begin: %w", err))
	}
	defer func() { _ = tx.Rollback() }() // does nothing after the commit
	if err := s.file.begun(ctx, journalMode(tx), pageBytes(tx)); err != nil {
		return told(err)
	}
	if err := do(tx); err != nil {
		return told(err)
	}
	if err := s.file.check(); err != nil { // as late as possible
		return err
	}
	if err := tx.Commit(); err != nil {
		return toldAtCommit(fmt.Errorf("commit: %w", err))
	}
	if err := s.file.committed(); err != nil {
		return fmt.Errorf("%w: %w", ports.ErrInDoubt, err) // what was committed may be gone with the file
	}
	return nil
}

// whileBusy calls work until it does not fail for another process' lock, or the call's time
// is over. After another transient error, work is called maxTries times in all, unless
// the error says that a change may be stored.
func (s *Payments) whileBusy(ctx context.Context, work func(context.Context) error) error {
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
