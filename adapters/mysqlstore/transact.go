package mysqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/ports"
)

const (
	// maxTries limits the tries of one change. With the pauses between them, that is about a second
	// against a server that answers at once.
	maxTries = 10
	// firstPause and maxPause limit the pause after a try, which doubles from one to the other.
	firstPause = 4 * time.Millisecond
	maxPause   = 250 * time.Millisecond
)

// read runs a query that changes nothing.
func (s *Payments) read(ctx context.Context, query func(context.Context, *queries.Queries) error) error {
	return s.retry(ctx, ctx, func(waiting, using context.Context) error {
		return s.onConn(waiting, using, func(ctx context.Context, conn *sql.Conn) error {
			return query(ctx, queries.New(conn))
		})
	})
}

// write makes one change, all or nothing. change must be idempotent, because it is repeated if the
// answer to it was lost.
//
// Once the change has begun, the end of ctx does not cancel it: that would leave an outcome unknown
// which is known a moment later. Its own timeout limits it.
func (s *Payments) write(ctx context.Context, change func(context.Context, *sql.Conn) error) error {
	return s.retry(ctx, context.WithoutCancel(ctx), func(waiting, using context.Context) error {
		return s.onConn(waiting, using, change)
	})
}

// retry calls work until its outcome is known, or a further try is of no use. ctx limits the wait for
// a connection, and using limits its use.
func (s *Payments) retry(ctx, using context.Context, work func(waiting, using context.Context) error) error {
	// Twice the timeout: after a try that hangs, another one can find out its outcome.
	using, cancel := context.WithTimeout(using, 2*s.timeout)
	defer cancel()
	inDoubt, text := false, fullText
	for tries := 1; ; tries++ {
		waiting := ctx
		if inDoubt {
			waiting = using // the outcome must be found out, even if the caller has gone
		}
		err := work(waiting, text.in(using))
		_, ambiguous := errors.AsType[*ambiguousCommitError](err)
		inDoubt = inDoubt || ambiguous
		_, noConn := errors.AsType[*noConnError](err)
		switch {
		case err == nil:
			return nil
		case isTextError(err) && text < noText:
			text++ // nothing was written; write less text
		case !ambiguous && !noConn && !isTransient(err):
			denied := asNotWritable(err)
			if denied != nil {
				s.reconnect()
			}
			return cmp.Or(denied, err)
		case tries == maxTries,
			noConn && !inDoubt && !isConnLimit(err),
			!pause(using, tries):
			if asNotWritable(err) != nil {
				s.reconnect()
			}
			return classify(inDoubt, err)
		}
	}
}

// classify wraps the error of the last try as one of the port's.
func classify(inDoubt bool, err error) error {
	if inDoubt {
		return fmt.Errorf("%w: %w", ports.ErrInDoubt, err)
	}
	if denied := asNotWritable(err); denied != nil {
		return denied
	}
	return fmt.Errorf("%w: %w", ports.ErrUnavailable, err)
}

// noConnError is the error of a try that got no connection.
type noConnError struct{ error }

func (e *noConnError) Unwrap() error { return e.error }

// onConn does work on a connection of the pool.
func (s *Payments) onConn(
	waiting, using context.Context, work func(context.Context, *sql.Conn) error,
) error {
	waiting, cancel := context.WithTimeout(waiting, s.timeout)
	defer cancel()
	conn, err := s.db.Conn(waiting)
	if err != nil {
		return &noConnError{fmt.Errorf("get a connection: %w", err)}
	}
	defer func() { _ = conn.Close() }() // returns it to the pool; the error of a broken one was returned before
	using, cancelUse := context.WithTimeout(using, s.timeout)
	defer cancelUse()
	err = work(using, conn)
	if _, ambiguous := errors.AsType[*ambiguousCommitError](err); ambiguous {
		closeAmbiguous(conn)
	}
	return err
}

// closeAmbiguous closes a connection that may have an open transaction, with its locks, instead of
// returning it to the pool.
func closeAmbiguous(conn *sql.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
}

// pause waits longer after each try, with jitter, so that conflicting transactions do not meet again.
// It returns false if ctx ends.
func pause(ctx context.Context, tries int) bool {
	longest := min(maxPause, firstPause<<tries)
	timer := time.NewTimer(rand.N(longest)) //nolint:gosec // jitter need not be unpredictable
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// transact runs do in one transaction. It is READ COMMITTED, so that a claim locks its rows by their
// keys, and no gaps between them.
func transact(ctx context.Context, conn *sql.Conn, do func(*queries.Queries) error) error {
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		closeAmbiguous(conn)
		return fmt.Errorf("begin: %w", err)
	}
	defer func() { // no effect after the commit
		if err := tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
			closeAmbiguous(conn)
		}
	}()
	if err := do(queries.New(tx)); err != nil {
		return err
	}
	if err := classifyCommit(tx.Commit()); err != nil {
		closeAmbiguous(conn)
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}
