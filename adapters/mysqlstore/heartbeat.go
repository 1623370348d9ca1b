package mysqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/payment"
	"paymentd/ports"
)

// releaseBatch limits the payments of an expired replica that one statement releases.
const releaseBatch = 500

// Heartbeat implements ports.Payments. It is one statement. Unlike other writes it is cancelled when
// ctx ends, because a heartbeat that hangs on a lost connection must not delay the next one.
func (s *Payments) Heartbeat(ctx context.Context, replica string) error {
	err := s.retry(ctx, ctx, func(waiting, using context.Context) error {
		return s.onConn(waiting, using, func(ctx context.Context, conn *sql.Conn) error {
			return classifyCommit(queries.New(conn).Heartbeat(ctx, replica))
		})
	})
	if err != nil {
		return fmt.Errorf("send the heartbeat: %w", s.withReadOnlyReason(ctx, err))
	}
	return nil
}

// Heartbeats implements ports.Payments.
func (s *Payments) Heartbeats(ctx context.Context, asking string) (beats []ports.Heartbeat, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		rows, err := q.ListHeartbeats(ctx, asking)
		beats = make([]ports.Heartbeat, len(rows))
		for i, row := range rows {
			beats[i] = ports.Heartbeat{
				Replica: row.Name, At: row.BeatAt, Age: time.Duration(row.Age) * time.Microsecond,
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the heartbeats: %w", err)
	}
	return beats, nil
}

// Release implements ports.Payments. The leases end first, and then the replica's row is deleted, so
// that the release is repeated after a crash in between. If the expired replica sends a heartbeat
// meanwhile, it has lost the released claims; fencing makes that harmless.
func (s *Payments) Release(ctx context.Context, h ports.Heartbeat) (released bool, err error) {
	latest, err := s.isLatest(ctx, h)
	if err == nil && latest {
		released, err = s.release(ctx, h)
	}
	if err != nil {
		return false, fmt.Errorf("release the claims of %s: %w", h.Replica, err)
	}
	return released, nil
}

func (s *Payments) isLatest(ctx context.Context, h ports.Heartbeat) (latest bool, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		n, err := q.CountHeartbeats(ctx, queries.CountHeartbeatsParams{Name: h.Replica, BeatAt: h.At})
		latest = n > 0
		return err
	})
	return latest, err
}

func (s *Payments) release(ctx context.Context, h ports.Heartbeat) (bool, error) {
	for _, table := range []heldTable{heldPayments, heldOperations} {
		if err := s.releaseAll(ctx, h.Replica, table); err != nil {
			return false, err
		}
	}
	var deleted int64
	err := s.write(ctx, func(ctx context.Context, conn *sql.Conn) (err error) {
		params := queries.DeleteExpiredReplicaParams{Name: h.Replica, BeatAt: h.At}
		deleted, err = queries.New(conn).DeleteExpiredReplica(ctx, params)
		return classifyCommit(err)
	})
	return deleted > 0, err
}

// heldTable has the queries that find and end the leases of a replica in one table.
type heldTable struct {
	held    func(*queries.Queries, context.Context, queries.ListHeldPaymentsParams) ([]payment.OrderID, error)
	release func(*queries.Queries, context.Context, queries.ReleasePaymentsParams) error
}

var (
	heldPayments   = heldTable{held: (*queries.Queries).ListHeldPayments, release: (*queries.Queries).ReleasePayments}
	heldOperations = heldTable{
		held: func(q *queries.Queries, ctx context.Context, p queries.ListHeldPaymentsParams) ([]payment.OrderID, error) {
			return q.ListHeldOperations(ctx, queries.ListHeldOperationsParams(p))
		},
		release: func(q *queries.Queries, ctx context.Context, p queries.ReleasePaymentsParams) error {
			return q.ReleaseOperations(ctx, queries.ReleaseOperationsParams(p))
		},
	}
)

func (s *Payments) releaseAll(ctx context.Context, replica string, table heldTable) error {
	for more := true; more; {
		var held []payment.OrderID
		err := s.read(ctx, func(ctx context.Context, q *queries.Queries) (err error) {
			held, err = table.held(q, ctx, queries.ListHeldPaymentsParams{Replica: replica, Limit: releaseBatch})
			return err
		})
		if err != nil || len(held) == 0 {
			return err
		}
		err = s.write(ctx, func(ctx context.Context, conn *sql.Conn) error {
			params := queries.ReleasePaymentsParams{OrderIds: held, Replica: replica}
			return classifyCommit(table.release(queries.New(conn), ctx, params))
		})
		if err != nil {
			return err
		}
		more = len(held) == releaseBatch
	}
	return nil
}

// Leave implements ports.Payments.
func (s *Payments) Leave(ctx context.Context, replica string) error {
	err := s.write(ctx, func(ctx context.Context, conn *sql.Conn) error {
		return classifyCommit(queries.New(conn).DeleteReplica(ctx, replica))
	})
	if err != nil {
		return fmt.Errorf("remove the replica: %w", err)
	}
	return nil
}
