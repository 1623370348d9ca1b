package fake

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"paymentd/core/apikey"
	"paymentd/ports"
)

// Sessions is ports.Sessions in memory.
type Sessions struct {
	mu       sync.Mutex
	sessions map[apikey.Hash]ports.Session
}

// NewSessions returns an empty repository.
func NewSessions() *Sessions { return &Sessions{sessions: make(map[apikey.Hash]ports.Session)} }

func (s *Sessions) transact(ctx context.Context, f func(now time.Time) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ports.ErrUnavailable, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return f(time.Now().UTC().Truncate(time.Microsecond))
}

// Create implements ports.Sessions.
func (s *Sessions) Create(ctx context.Context, session ports.Session) error {
	return s.transact(ctx, func(now time.Time) error {
		maps.DeleteFunc(s.sessions, func(_ apikey.Hash, old ports.Session) bool { return !old.ExpiresAt.After(now) })
		if len(s.sessions) >= ports.MaxSessions {
			return ports.ErrTooManySessions
		}
		session.ExpiresAt, session.Lifetime = now.Add(session.Lifetime), 0
		if _, stored := s.sessions[session.Hash]; !stored {
			s.sessions[session.Hash] = session
		}
		return nil
	})
}

// Find implements ports.Sessions.
func (s *Sessions) Find(ctx context.Context, hash apikey.Hash) (found ports.Session, err error) {
	err = s.transact(ctx, func(now time.Time) error {
		session, stored := s.sessions[hash]
		if !stored || !session.ExpiresAt.After(now) {
			return ports.ErrNotFound
		}
		found = session
		return nil
	})
	return found, err
}

// Delete implements ports.Sessions.
func (s *Sessions) Delete(ctx context.Context, hash apikey.Hash) error {
	return s.transact(ctx, func(time.Time) error {
		delete(s.sessions, hash)
		return nil
	})
}
