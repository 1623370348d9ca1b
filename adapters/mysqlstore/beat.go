package mysqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"time"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/payment"
)

// releaseBatch bounds how many payments of a silent replica are released at a time.
const releaseBatch = 500

// Beat implements ports.Payments. A beat is one statement; the others are looked after
// no more than twice in a timeout, however often a replica beats.
func (s *Payments) Beat(
	ctx context.Context, replica string, timeout time.Duration,
) (silent []string, err error) {
	err = s.write(ctx, func(ctx context.Context, conn *sql.Conn) error {
		return atCommit(queries.New(conn).Beat(ctx, replica))
	})
	if err != nil {
		return nil, fmt.Errorf("beat: %w", err)
	}
	if !s.checks.due(timeout / 2) {
		return nil, nil
	}
	suspects, err := s.silentReplicas(ctx, replica, timeout)
	if err != nil {
		return nil, fmt.Errorf("find silent replicas: %w", err)
	}
	for _, name := range suspects {
		found, err := s.release(ctx, name, timeout)
		if err != nil {
			return silent, fmt.Errorf("release the claims of %s: %w", name, err)
		}
		if found {
			silent = append(silent, name)
		}
	}
	return silent, nil
}

func (s *Payments) silentReplicas(
	ctx context.Context, asking string, timeout time.Duration,
) (names []string, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		params := queries.ListSilentReplicasParams{Asking: asking, TimeoutMicros: timeout.Microseconds()}
		names, err = q.ListSilentReplicas(ctx, params)
		return err
	})
	return names, err
}

// release lets the leases of a silent replica run out, and then forgets it: in this order, so
// that whoever comes after a crash in between does it again. It returns false when another
// replica was first, or this one has beaten meanwhile; its claims are then lost to it, and the
// fencing numbers keep that harmless.
func (s *Payments) release(ctx context.Context, replica string, timeout time.Duration) (bool, error) {
	for more := true; more; {
		held, err := s.held(ctx, replica)
		if err != nil {
			return false, err
		}
		if err := s.releasePayments(ctx, replica, held); err != nil {
			return false, err
		}
		more = len(held) == releaseBatch
	}
	var deleted int64
	err := s.write(ctx, func(ctx context.Context, conn *sql.Conn) (err error) {
		params := queries.DeleteSilentReplicaParams{Name: replica, TimeoutMicros: timeout.Microseconds()}
		deleted, err = queries.New(conn).DeleteSilentReplica(ctx, params)
		return atCommit(err)
	})
	return deleted > 0, err
}

func (s *Payments) held(ctx context.Context, replica string) (ids []payment.OrderID, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		params := queries.ListHeldPaymentsParams{Replica: replica, Limit: releaseBatch}
		ids, err = q.ListHeldPayments(ctx, params)
		return err
	})
	return ids, err
}

func (s *Payments) releasePayments(ctx context.Context, replica string, held []payment.OrderID) error {
	if len(held) == 0 {
		return nil
	}
	return s.write(ctx, func(ctx context.Context, conn *sql.Conn) error {
		params := queries.ReleasePaymentsParams{OrderIds: held, Replica: replica}
		return atCommit(queries.New(conn).ReleasePayments(ctx, params))
	})
}

// Leave implements ports.Payments.
func (s *Payments) Leave(ctx context.Context, replica string) error {
	err := s.write(ctx, func(ctx context.Context, conn *sql.Conn) error {
		return atCommit(queries.New(conn).DeleteReplica(ctx, replica))
	})
	if err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	return nil
}

// checks spaces out the looks at other replicas.
type checks struct {
	mu   sync.Mutex
	last time.Time
}

// due reports whether the last look is at least interval ago, and if so counts as one.
func (c *checks) due(interval time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.Sub(c.last) < interval {
		return false
	}
	c.last = now
	return true
}
