package apikey

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"time"
)

// MaxActive bounds the number of keys that are not revoked, because every replica holds them in memory.
const MaxActive = 1000

// Key is what is stored of an API key. It does not contain the key itself.
type Key struct {
	ID     ID
	Name   Name // empty for a key of the configuration
	Scopes Scopes
	Hash   Hash
	Limits Limits

	// CreatedBy and RevokedBy name the persons; empty if no version has stored them.
	CreatedBy, RevokedBy string

	CreatedAt time.Time
	// LastUsedAt is at most some minutes before the last use; zero if it was never used.
	LastUsedAt time.Time
	RevokedAt  time.Time // zero while the key is active
	// ExpiresAt is when the key is refused from; zero for never.
	ExpiresAt time.Time
}

// Active reports whether the key is not revoked.
func (k Key) Active() bool { return k.RevokedAt.IsZero() }

// Expired reports whether the key has expired.
func (k Key) Expired(now time.Time) bool { return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt) }

// Accepted reports whether the key is neither revoked nor expired.
func (k Key) Accepted(now time.Time) bool { return k.Active() && !k.Expired(now) }

// New returns a new key, and the secret for its owner.
func New(name Name, scopes Scopes) (Key, Secret) {
	secret := newSecret()
	hash := HashOf(secret.text)
	return Key{ID: hash.ID(), Name: name, Scopes: scopes, Hash: hash}, secret
}

// StaticPrefix begins the ids of the keys of the configuration.
const StaticPrefix = "static-"

// Static returns the key for a text in the configuration, which may have any form. The key allows
// everything, and its id begins with [StaticPrefix].
func Static(text string) Key {
	hash := HashOf(text)
	return Key{ID: StaticPrefix + hash.ID(), Scopes: Scopes{ScopeAdmin}, Hash: hash}
}

// Hash is the SHA-256 of a key.
type Hash [sha256.Size]byte

// HashOf hashes the key that a caller presents.
func HashOf(text string) Hash {
	// Usual lengths are hashed in a buffer on the stack, because the conversion would allocate.
	var buffer [128]byte
	if len(text) > len(buffer) {
		return sha256.Sum256([]byte(text))
	}
	return sha256.Sum256(buffer[:copy(buffer[:], text)])
}

// Equal compares two hashes in constant time.
func (h Hash) Equal(other Hash) bool { return subtle.ConstantTimeCompare(h[:], other[:]) == 1 }

// IDBytes is how many bytes of a hash make the id of its key.
const IDBytes = 6

// ID names a key in logs, lists and commands. It is the beginning of the key's hash in hexadecimal
// digits, so that a leaked key can be identified by it, and it reveals nothing of the key.
type ID string

// ID returns the id of the key with this hash.
func (h Hash) ID() ID { return ID(hex.EncodeToString(h[:IDBytes])) }

// isID reports whether text has the form of an id.
func isID(text string) bool {
	_, err := hex.DecodeString(text)
	return err == nil && len(text) == hex.EncodedLen(IDBytes)
}
