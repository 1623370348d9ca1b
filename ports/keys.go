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
	// ErrTooManyKeys: there are as many active keys as every replica can be asked to hold.
	ErrTooManyKeys = errors.New("there are 1000 active API keys, and there cannot be more: revoke some that nobody uses")
	// ErrNoSuchKey: no key has the id, and none has ever had the name.
	ErrNoSuchKey = errors.New("no API key has this id or name: `paymentd keys list` shows those that there are")
	// ErrKeyRevoked: the key was revoked before.
	ErrKeyRevoked = errors.New("the API key is revoked already")
)

// Keys is the repository of the API keys. They are added and revoked, and never deleted, so that
// it is known for ever whose a key was. What is true of the methods of [Payments] is true of these:
// their errors, their clock, and their use by many.
type Keys interface {
	// Create stores a new key, of which the times are not looked at. ErrKeyNameTaken, or
	// ErrTooManyKeys beyond apikey.MaxActive; several that are created at the same moment may
	// exceed it by their number. Repeating it, after an error, is safe.
	Create(ctx context.Context, key apikey.Key) error

	// Revoke takes a key's power away, and returns it as it then is: the one with this id, or the
	// active one with this name. ErrNoSuchKey, or ErrKeyRevoked, with which it returns the key too.
	Revoke(ctx context.Context, idOrName string) (apikey.Key, error)

	// List returns keys, revoked ones too, the newest first; those of one moment by their ids. Rows
	// that make no key count against the limit.
	List(ctx context.Context, limit int) (KeyList, error)

	// Active returns the keys that are not revoked, in no order. It takes no lock.
	Active(ctx context.Context) (ActiveKeys, error)

	// NoteUse stores that the keys were used just now. A key for which that was stored less
	// than grain ago is left as it is, as is one that is not known: many replicas note the use of
	// one key.
	NoteUse(ctx context.Context, ids []apikey.ID, grain time.Duration) error
}

// KeyList is keys, without the rows that make none.
type KeyList struct {
	Keys       []apikey.Key
	Unreadable []*apikey.StoredRowError
}

// ActiveKeys is what decides who may call.
type ActiveKeys struct {
	Keys []apikey.Key
	// Unreadable are the rows that make no key: they open nothing.
	Unreadable []*apikey.StoredRowError
	// Ever: a key was created at some time, though all may be revoked by now.
	Ever bool
}
