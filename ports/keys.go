package ports

import (
	"context"
	"errors"
	"time"

	"paymentd/core/apikey"
)

var (
	// ErrKeyNameTaken: an active key has the name.
	ErrKeyNameTaken = errors.New("an active API key has this name: revoke that one first, or choose another name")
	// ErrTooManyKeys: there are apikey.MaxActive active keys already.
	ErrTooManyKeys = errors.New("there are 1000 active API keys, and there cannot be more: revoke some that are unused")
	// ErrNoSuchKey: no key has the id, and none has ever had the name.
	ErrNoSuchKey = errors.New("no API key has this id or name: `paymentd keys list` shows those that there are")
	// ErrKeyRevoked: the key was revoked before.
	ErrKeyRevoked = errors.New("the API key is revoked already")
)

// Keys is the repository of API keys. Keys are created and revoked, and never deleted, so that the owner
// of a key is known for ever. Its errors, its clock and its concurrent use are those of [Payments].
type Keys interface {
	// Create stores a new key with the time of the database's clock; the other times of key are ignored, except
	// ExpiresAt.
	// ErrKeyNameTaken, or ErrTooManyKeys if there are apikey.MaxActive active keys; keys that are
	// created at the same moment may exceed that number. It is safe to repeat after an error.
	Create(ctx context.Context, key apikey.Key) error

	// Revoke revokes the key with this id, or the active key with this name, in the name of a person, and returns it
	// as it is then. ErrNoSuchKey; or ErrKeyRevoked, together with the key. Of a rotated key, the name means the
	// successor.
	Revoke(ctx context.Context, idOrName, by string) (apikey.Key, error)

	// Rotate creates the successor of the active key with this id or name, as [apikey.Key.Rotate] decides at the time
	// of the database's clock, and returns both as they are stored. It is one transaction. ErrNoSuchKey,
	// ErrKeyRevoked, apikey.ErrSuperseded, apikey.ErrExpiryNeeded, ErrTooManyKeys. It is safe to repeat after an
	// error, with the same successor.
	Rotate(ctx context.Context, idOrName string, next apikey.Key, overlap time.Duration) (before, after apikey.Key, err error)

	// List returns at most limit keys, including revoked ones, newest first, and those of the same
	// time by id. Rows that are not valid keys count towards the limit.
	List(ctx context.Context, limit int) (KeyList, error)

	// Active returns the keys that are not revoked, in no order, without those that expired more than
	// apikey.KeepExpired ago. It takes no lock.
	Active(ctx context.Context) (ActiveKeys, error)

	// NoteUse stores that the keys were used just now. It ignores unknown keys, and those whose use
	// was stored less than resolution ago, because many replicas store the use of one key.
	NoteUse(ctx context.Context, ids []apikey.ID, resolution time.Duration) error
}

// KeyList is a list of keys. Rows that are not valid keys are left out.
type KeyList struct {
	Keys       []apikey.Key
	Unreadable []*apikey.StoredRowError
}

// ActiveKeys decide who may call.
type ActiveKeys struct {
	Keys []apikey.Key // some may have expired
	// Unreadable are the rows that are not valid keys. They are refused.
	Unreadable []*apikey.StoredRowError
	// Ever: a key was created at some time, even if all are revoked now.
	Ever bool
}

// Accepted counts the keys that are accepted at the time.
func (a ActiveKeys) Accepted(now time.Time) (count int) {
	for _, key := range a.Keys {
		if key.Accepted(now) {
			count++
		}
	}
	return count
}
