package ports

import (
	"context"
	"errors"
	"time"

	"paymentd/core/apikey"
)

// MaxSessions bounds the sessions of the console that are stored.
const MaxSessions = 1000

// ErrTooManySessions: there are [MaxSessions] sessions that have not expired.
var ErrTooManySessions = errors.New("there are too many sessions of the console: sign out, or wait until one expires")

// Session is a person who is signed in to the console.
type Session struct {
	// Hash is that of the token in the person's cookie, which is not stored.
	Hash apikey.Hash
	// Key is the API key that the person signed in with. The session ends with it.
	Key apikey.ID
	// Lifetime is how long after its creation the session expires. It is zero for a session that was read.
	Lifetime time.Duration
	// ExpiresAt is by the database's clock. It is ignored when a session is created.
	ExpiresAt time.Time
}

// Sessions is the repository of the console's sessions, which all replicas share. Its errors, its clock and its
// concurrent use are those of [Payments].
type Sessions interface {
	// Create stores a new session, and deletes those that have expired. ErrTooManySessions; sessions that are
	// created at the same moment may exceed that number. It is safe to repeat after an error.
	Create(ctx context.Context, s Session) error

	// Find returns a session that has not expired, or ErrNotFound.
	Find(ctx context.Context, hash apikey.Hash) (Session, error)

	// Delete deletes a session. It does nothing if there is none.
	Delete(ctx context.Context, hash apikey.Hash) error
}
