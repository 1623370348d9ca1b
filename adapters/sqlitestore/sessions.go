package sqlitestore

import (
	"context"
	"fmt"
	"time"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/core/apikey"
	"paymentd/ports"
)

// Sessions is ports.Sessions on SQLite.
type Sessions struct{ s *Payments }

// Sessions returns the repository of the console's sessions, in the same file.
func (s *Payments) Sessions() ports.Sessions { return &Sessions{s} }

// Create implements ports.Sessions.
func (r *Sessions) Create(ctx context.Context, session ports.Session) error {
	err := r.s.write(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		if err := q.DeleteExpiredSessions(ctx, now.UnixMicro()); err != nil {
			return err
		}
		stored, err := q.CountSessions(ctx)
		if err != nil {
			return err
		}
		if stored >= ports.MaxSessions {
			return ports.ErrTooManySessions
		}
		return q.InsertSession(ctx, queries.InsertSessionParams{
			TokenHash: session.Hash[:], KeyID: session.Key,
			CreatedAt: now.UnixMicro(), ExpiresAt: now.Add(session.Lifetime).UnixMicro(),
		})
	})
	if err != nil {
		return fmt.Errorf("create session: %w", err)
	}
	return nil
}

// Find implements ports.Sessions.
func (r *Sessions) Find(ctx context.Context, hash apikey.Hash) (session ports.Session, err error) {
	err = r.s.read(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		row, err := q.FindSession(ctx, queries.FindSessionParams{TokenHash: hash[:], Now: now.UnixMicro()})
		if isNotFound(err) {
			return ports.ErrNotFound
		}
		session = ports.Session{Hash: hash, Key: row.KeyID, ExpiresAt: fromMicros(row.ExpiresAt)}
		return err
	})
	if err != nil {
		return ports.Session{}, fmt.Errorf("find session: %w", err)
	}
	return session, nil
}

// Delete implements ports.Sessions.
func (r *Sessions) Delete(ctx context.Context, hash apikey.Hash) error {
	err := r.s.write(ctx, func(ctx context.Context, q *queries.Queries, _ time.Time) error {
		return q.DeleteSession(ctx, hash[:])
	})
	if err != nil {
		return fmt.Errorf("delete session: %w", err)
	}
	return nil
}
