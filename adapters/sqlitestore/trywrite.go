package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/ports"
)

// errUndo rolls back a change that worked.
var errUndo = errors.New("the change is rolled back")

// TryWrite implements ports.Payments. SQLite has no permissions per table, but a table may be missing: there
// is a write to each one. No payment has the order id of these writes.
func (s *Payments) TryWrite(ctx context.Context) error {
	err := s.write(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		if err := q.Heartbeat(ctx, queries.HeartbeatParams{Name: "paymentd-try-write", Now: now.UnixMicro()}); err != nil {
			return err
		}
		for _, try := range []func() error{
			func() error { return q.PostponePayment(ctx, queries.PostponePaymentParams{}) },
			func() error { return q.DeleteAttempts(ctx, queries.DeleteAttemptsParams{}) },
			func() error { return q.DeleteEvents(ctx, queries.DeleteEventsParams{}) },
			func() error { return q.PostponeGatewayKey(ctx, queries.PostponeGatewayKeyParams{}) },
			func() error { return q.PostponeOperation(ctx, queries.PostponeOperationParams{}) },
			func() error { return q.InsertOperationAttempt(ctx, queries.InsertOperationAttemptParams{}) },
			func() error { return q.InsertOperationEvent(ctx, queries.InsertOperationEventParams{}) },
			func() error { return q.DeleteDelivery(ctx, queries.DeleteDeliveryParams{}) },
			func() error { return q.UpdateEndpoint(ctx, queries.UpdateEndpointParams{}) },
			func() error { return q.PostponeOperationKey(ctx, queries.PostponeOperationKeyParams{}) },
		} {
			if err := try(); err != nil {
				return err
			}
		}
		return errUndo
	})
	switch {
	case errors.Is(err, errUndo):
		return nil
	case !errors.Is(err, ports.ErrUnavailable) && !errors.Is(err, ports.ErrInDoubt):
		err = fmt.Errorf("%w: %w", ports.ErrNotWritable, err) // no write works with this schema
	}
	return fmt.Errorf("try a write: %w", err)
}

// longWrite is more than a connection with a small cache keeps in memory, in bytes.
const longWrite = 512 << 10

// tryLongWrite is TryWrite with more data than SQLite keeps in memory, so that it detects a full disk.
func (s *Payments) tryLongWrite(ctx context.Context) error {
	return s.retry(ctx, func(ctx context.Context) error {
		err := s.transact(ctx, func(tx *sql.Tx) error {
			for _, statement := range []string{
				"PRAGMA cache_size = 10",
				"CREATE TABLE paymentd_try_write (content BLOB NOT NULL)",
				fmt.Sprintf("INSERT INTO paymentd_try_write VALUES (zeroblob(%d))", longWrite),
				"INSERT INTO paymentd_try_write VALUES (randomblob(8192))",
			} {
				if _, err := tx.ExecContext(ctx, statement); err != nil {
					return err
				}
			}
			return errUndo
		})
		if errors.Is(err, errUndo) {
			// -2000 is SQLite's default. The log is truncated, because its free pages would hide a full disk.
			_, err = s.writer.ExecContext(ctx, "PRAGMA cache_size = -2000; PRAGMA wal_checkpoint(TRUNCATE)")
		}
		return err
	})
}
