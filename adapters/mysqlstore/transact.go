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
	// maxTries bounds how often one change is tried. With the pauses between, that is
	// about a second against a server that answers at once.
	maxTries = 10
	// firstPause and maxPause bound the pause after a try, which doubles from the one to
	// the other.
	firstPause = 4 * time.Millisecond
	maxPause   = 250 * time.Millisecond
)

// read runs a query that changes nothing.
func (s *Payments) read(ctx context.Context, query func(context.Context, *queries.Queries) error) error {
	return s.try(ctx, ctx, func(waiting, using context.Context) error {
		return s.once(waiting, using, func(ctx context.Context, conn *sql.Conn) error {
			return query(ctx, queries.New(conn))
		})
	})
}

// write makes one change, whole or not at all. change must do no more when it is made a second
// time: it is, where the answer to the first was lost.
//
// Once the change is on its way it is not torn off when ctx ends, which would leave in doubt
// what can be known a moment later; its own timeout bounds it.
func (s *Payments) write(ctx context.Context, change func(context.Context, *sql.Conn) error) error {
	return s.try(ctx, context.WithoutCancel(ctx), func(waiting, using context.Context) error {
		return s.once(waiting, using, change)
	})
}

// try does work until it is known what became of it, or there is nothing more to find
// out. Connections are waited for within ctx, and used within using.
func (s *Payments) try(ctx, using context.Context, work func(waiting, using context.Context) error) error {
	// One try may hang, and another one find out.
	using, cancel := context.WithTimeout(using, 2*s.timeout)
	defer cancel()
	inDoubt, words := false, asGiven
	for tries := 1; ; tries++ {
		waiting := ctx
		if inDoubt {
			waiting = using // there is something to find out, whoever still asks for it
		}
		err := work(waiting, words.in(using))
		_, unanswered := errors.AsType[*unansweredError](err)
		inDoubt = inDoubt || unanswered
		_, unconnected := errors.AsType[*unconnectedError](err)
		switch {
		case err == nil:
			return nil
		case refusesWords(err) && words < without:
			words++ // nothing was written, and the same is written with fewer words
		case !unanswered && !unconnected && !transient(err):
			refused := notWritable(err)
			if refused != nil {
				s.reconnect()
			}
			return cmp.Or(refused, err)
		case tries == maxTries,
			unconnected && !inDoubt && !turnedAway(err),
			!pause(using, tries):
			if notWritable(err) != nil {
				s.reconnect()
			}
			return giveUp(inDoubt, err)
		}
	}
}

// giveUp says what is known of a change when the tries are over.
func giveUp(inDoubt bool, err error) error {
	if inDoubt {
		return fmt.Errorf("%w: %w", ports.ErrInDoubt, err)
	}
	if refused := notWritable(err); refused != nil {
		return refused
	}
	return fmt.Errorf("%w: %w", ports.ErrUnavailable, err)
}

// unconnectedError is the error of a try that got no connection.
type unconnectedError struct{ error }

func (e *unconnectedError) Unwrap() error { return e.error }

// once does work on a connection of the pool.
func (s *Payments) once(
	waiting, using context.Context, work func(context.Context, *sql.Conn) error,
) error {
	waiting, cancel := context.WithTimeout(waiting, s.timeout)
	defer cancel()
	conn, err := s.db.Conn(waiting)
	if err != nil {
		return &unconnectedError{fmt.Errorf("get a connection: %w", err)}
	}
	defer func() { _ = conn.Close() }() // gives it back; a broken one was told of already
	using, cancelUse := context.WithTimeout(using, s.timeout)
	defer cancelUse()
	err = work(using, conn)
	if _, unanswered := errors.AsType[*unansweredError](err); unanswered {
		discard(conn) // it may have a transaction open, with its locks
	}
	return err
}

// discard closes a connection whose state is not known, instead of giving it back to the pool.
func discard(conn *sql.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
}

// pause waits, longer after each try and by chance, so that those who got in each other's
// way do not meet again. It returns false when ctx has ended.
func pause(ctx context.Context, tries int) bool {
	longest := min(maxPause, firstPause<<tries)
	timer := time.NewTimer(rand.N(longest)) //nolint:gosec // nobody gains by guessing it
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// transact runs do as one transaction. READ COMMITTED: the rows of a claim are locked one by
// one and by their keys, and no gaps between them.
func transact(ctx context.Context, conn *sql.Conn, do func(*queries.Queries) error) error {
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		discard(conn)
		return fmt.Errorf("begin: %w", err)
	}
	defer func() { // does nothing after the commit
		if err := tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
			discard(conn)
		}
	}()
	if err := do(queries.New(tx)); err != nil {
		return err
	}
	if err := atCommit(tx.Commit()); err != nil {
		discard(conn) // the transaction may still be open
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}
