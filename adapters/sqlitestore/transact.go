package sqlitestore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"paymentd/adapters/sqlitestore/internal/queries"
)

// busyPause is the longest pause before asking again for a lock that was not to be had.
const busyPause = 20 * time.Millisecond

// read runs a query that changes nothing, at the database's now.
func (s *Payments) read(
	ctx context.Context, query func(context.Context, *queries.Queries, time.Time) error,
) error {
	return s.whileBusy(ctx, func(ctx context.Context) error {
		return told(query(ctx, queries.New(s.readers), s.now()))
	})
}

// write runs do as one transaction under the write lock, at the database's now. An error of do
// undoes all.
func (s *Payments) write(
	ctx context.Context, do func(context.Context, *queries.Queries, time.Time) error,
) error {
	return s.whileBusy(ctx, func(ctx context.Context) error {
		tx, err := s.writer.BeginTx(ctx, nil)
		if err != nil {
			return told(fmt.Errorf("begin: %w", err))
		}
		defer func() { _ = tx.Rollback() }() // does nothing after the commit
		if err := do(ctx, queries.New(tx), s.now()); err != nil {
			return told(err)
		}
		if err := tx.Commit(); err != nil {
			return toldAtCommit(fmt.Errorf("commit: %w", err))
		}
		return nil
	})
}

// whileBusy calls work until it does not fail for another process' lock, or the call's time
// is over.
func (s *Payments) whileBusy(ctx context.Context, work func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	for {
		err := work(ctx)
		if err == nil || !isBusy(err) || !pause(ctx) {
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
