package sqlitestore

import (
	"context"
	"fmt"
	"time"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/ports"
)

// Heartbeat implements ports.Payments.
func (s *Payments) Heartbeat(ctx context.Context, replica string) error {
	err := s.write(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		return q.Heartbeat(ctx, queries.HeartbeatParams{Name: replica, Now: now.UnixMicro()})
	})
	if err != nil {
		return fmt.Errorf("send the heartbeat: %w", err)
	}
	return nil
}

// Heartbeats implements ports.Payments.
func (s *Payments) Heartbeats(ctx context.Context, asking string) (beats []ports.Heartbeat, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		rows, err := q.ListHeartbeats(ctx, asking)
		beats = make([]ports.Heartbeat, len(rows))
		for i, row := range rows {
			at := fromMicros(row.BeatAt)
			beats[i] = ports.Heartbeat{Replica: row.Name, At: at, Age: now.Sub(at)}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the heartbeats: %w", err)
	}
	return beats, nil
}

// Release implements ports.Payments.
func (s *Payments) Release(ctx context.Context, h ports.Heartbeat) (released bool, err error) {
	err = s.write(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		params := queries.DeleteExpiredReplicaParams{Name: h.Replica, BeatAt: h.At.UnixMicro()}
		deleted, err := q.DeleteExpiredReplica(ctx, params)
		if released = deleted > 0; err != nil || !released {
			return err
		}
		if err := q.ReleasePayments(ctx, queries.ReleasePaymentsParams{Now: nullable(now), Replica: h.Replica}); err != nil {
			return err
		}
		return q.ReleaseOperations(ctx, queries.ReleaseOperationsParams{Now: nullable(now), Replica: h.Replica})
	})
	if err != nil {
		return false, fmt.Errorf("release the claims of %s: %w", h.Replica, err)
	}
	return released, nil
}

// Leave implements ports.Payments.
func (s *Payments) Leave(ctx context.Context, replica string) error {
	err := s.write(ctx, func(ctx context.Context, q *queries.Queries, _ time.Time) error {
		return q.DeleteReplica(ctx, replica)
	})
	if err != nil {
		return fmt.Errorf("remove the replica: %w", err)
	}
	return nil
}
