package apikey

import (
	"errors"
	"time"
)

// MaxOverlap bounds how long a rotated key stays valid.
const MaxOverlap = 90 * 24 * time.Hour

var (
	// ErrExpiryNeeded: a key that expires gets a successor that does not.
	ErrExpiryNeeded = errors.New("the key expires, and its successor would not: say when that one expires")
	// ErrSuperseded: the key was rotated before, and another one has its name.
	ErrSuperseded = errors.New("the key was rotated already: rotate its successor, or revoke this one")
)

// Rotate returns a key as it is once the next one has taken its name, and the next one as it is created: with the name,
// the scopes and the limits of this one. This one expires overlap after now, unless it does so earlier. The error is
// ErrExpiryNeeded.
func (k Key) Rotate(next Key, overlap time.Duration, now time.Time) (before, after Key, err error) {
	if !k.ExpiresAt.IsZero() && next.ExpiresAt.IsZero() {
		return k, next, ErrExpiryNeeded
	}
	next.Name, next.Scopes, next.Limits = k.Name, k.Scopes, k.Limits
	if end := now.Add(overlap); k.ExpiresAt.IsZero() || end.Before(k.ExpiresAt) {
		k.ExpiresAt = end
	}
	return k, next, nil
}
