package mysqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/apikey"
	"paymentd/ports"
)

// Sessions is ports.Sessions on MySQL.
type Sessions struct{ s *Payments }

// Sessions returns the repository of the console's sessions, in the same database and on the same connections.
func (s *Payments) Sessions() ports.Sessions { return &Sessions{s} }

// Create implements ports.Sessions.
func (r *Sessions) Create(ctx context.Context, session ports.Session) error {
	err := r.s.write(ctx, func(ctx context.Context, conn *sql.Conn) error {
		return insertSession(ctx, queries.New(conn), session)
	})
	if err != nil {
		return fmt.Errorf("create session: %w", err)
	}
	return nil
}

// insertSession runs several statements without a transaction, so that none holds a lock during another.
func insertSession(ctx context.Context, q *queries.Queries, session ports.Session) error {
	if err := q.DeleteExpiredSessions(ctx); err != nil {
		return err
	}
	stored, err := q.CountSessions(ctx)
	if err != nil {
		return err
	}
	if stored >= ports.MaxSessions {
		return ports.ErrTooManySessions
	}
	err = q.InsertSession(ctx, queries.InsertSessionParams{
		TokenHash: session.Hash[:], KeyID: session.Key, LifetimeMicros: session.Lifetime.Microseconds(),
	})
	if hasNumber(err, errDuplicateKey) {
		return nil // an earlier try was stored, and its answer lost
	}
	return classifyCommit(err)
}

// Find implements ports.Sessions.
func (r *Sessions) Find(ctx context.Context, hash apikey.Hash) (session ports.Session, err error) {
	err = r.s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		row, err := q.FindSession(ctx, hash[:])
		if isNotFound(err) {
			return ports.ErrNotFound
		}
		session = ports.Session{Hash: hash, Key: row.KeyID, ExpiresAt: row.ExpiresAt}
		return err
	})
	if err != nil {
		return ports.Session{}, fmt.Errorf("find session: %w", err)
	}
	return session, nil
}

// Delete implements ports.Sessions.
func (r *Sessions) Delete(ctx context.Context, hash apikey.Hash) error {
	err := r.s.write(ctx, func(ctx context.Context, conn *sql.Conn) error {
		return classifyCommit(queries.New(conn).DeleteSession(ctx, hash[:]))
	})
	if err != nil {
		return fmt.Errorf("delete session: %w", err)
	}
	return nil
}
