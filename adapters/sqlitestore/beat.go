package sqlitestore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"paymentd/adapters/sqlitestore/internal/queries"
)

// Beat implements ports.Payments.
func (s *Payments) Beat(
	ctx context.Context, replica string, timeout time.Duration,
) (silent []string, err error) {
	err = s.write(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		if err := q.Beat(ctx, queries.BeatParams{Name: replica, Now: now.UnixMicro()}); err != nil {
			return err
		}
		silent, err = q.DeleteSilentReplicas(ctx, now.Add(-timeout).UnixMicro())
		if err != nil {
			return fmt.Errorf("find silent replicas: %w", err)
		}
		for _, name := range silent {
			params := queries.ReleasePaymentsParams{Now: nullable(now), Replica: name}
			if err := q.ReleasePayments(ctx, params); err != nil {
				return fmt.Errorf("release the claims of %s: %w", name, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("beat: %w", err)
	}
	slices.Sort(silent)
	return silent, nil
}

// Leave implements ports.Payments.
func (s *Payments) Leave(ctx context.Context, replica string) error {
	err := s.write(ctx, func(ctx context.Context, q *queries.Queries, _ time.Time) error {
		return q.DeleteReplica(ctx, replica)
	})
	if err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	return nil
}
