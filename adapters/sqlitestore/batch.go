package sqlitestore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/internal/groupcommit"
	"paymentd/ports"
)

// maxBatchRows limits the changes that share a transaction.
const maxBatchRows = 64

// change runs in a transaction, at the database's now. It may run more than once; before a repetition,
// what it wrote is rolled back.
type change func(context.Context, *queries.Queries, time.Time) error

// write makes one change, all or nothing, under the write lock. It shares its transaction with others
// that wait for the lock. Once the change has begun, the end of ctx does not cancel it.
func (s *Payments) write(ctx context.Context, do change) error {
	err := s.writes.Do(ctx, s.timeout, do)
	switch {
	case errors.Is(err, groupcommit.ErrNotBegun):
		return classify(err)
	case errors.Is(err, groupcommit.ErrPanicked):
		return s.writeBatch([]change{do})[0] // alone, so that a panic reaches the caller that caused it
	}
	return err
}

// writeBatch makes changes in one transaction, and returns the result of each. If the transaction
// fails, each change is retried on its own, so that one bad row cannot fail the batch.
func (s *Payments) writeBatch(batch []change) []error {
	errs := make([]error, len(batch))
	err := s.retry(context.Background(), func(ctx context.Context) error {
		clear(errs)
		return s.transact(ctx, func(tx *sql.Tx) error {
			now := s.now()
			if len(batch) == 1 {
				return batch[0](ctx, queries.New(tx), now)
			}
			for i, do := range batch {
				var err error
				if errs[i], err = inSavepoint(ctx, tx, do, now); err != nil {
					return err
				}
			}
			return nil
		})
	})
	oneByOne := len(batch) > 1 && err != nil &&
		!errors.Is(err, ports.ErrUnavailable) && !errors.Is(err, ports.ErrInDoubt)
	for i := range errs {
		switch {
		case oneByOne,
			err == nil && isTransient(errs[i]) && len(batch) > 1: // rolled back to its savepoint
			errs[i] = s.writeBatch(batch[i : i+1])[0]
		case errs[i] != nil:
			errs[i] = classify(errs[i])
		default:
			errs[i] = err
		}
	}
	return errs
}

// inSavepoint makes one change of a batch. own is the change's error, after which it is rolled back;
// fatal is an error after which the transaction cannot continue.
func inSavepoint(ctx context.Context, tx *sql.Tx, do change, now time.Time) (own, fatal error) {
	if _, err := tx.ExecContext(ctx, "SAVEPOINT one"); err != nil {
		return nil, fmt.Errorf("begin a change of a batch: %w", err)
	}
	end := "RELEASE one"
	if own = do(ctx, queries.New(tx), now); own != nil {
		end = "ROLLBACK TO one; RELEASE one"
	}
	// Some errors roll back the whole transaction (sqlite.org/lang_transaction.html, "Response To Errors
	// Within A Transaction"); then this statement fails.
	if _, err := tx.ExecContext(ctx, end); err != nil {
		return own, fmt.Errorf("end a change of a batch: %w", cmp.Or(own, err))
	}
	return own, nil
}
