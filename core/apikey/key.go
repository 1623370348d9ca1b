package apikey

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"time"
)

// MaxActive bounds the keys that are not revoked: every replica holds them all in memory.
const MaxActive = 1000

// Key is what is known of an API key, which is not the key itself.
type Key struct {
	ID     ID
	Name   Name // empty for one of the configuration
	Scopes Scopes
	Hash   Hash

	CreatedAt time.Time
	// LastUsedAt is at most some minutes before the last use; zero for none.
	LastUsedAt time.Time
	RevokedAt  time.Time // zero while it is active
}

// Active reports whether the key opens anything.
func (k Key) Active() bool { return k.RevokedAt.IsZero() }

// New makes a key, and the secret that its owner gets.
func New(name Name, scopes Scopes) (Key, Secret) {
	secret := mint()
	hash := HashOf(secret.text)
	return Key{ID: hash.ID(), Name: name, Scopes: scopes, Hash: hash}, secret
}

// Static returns what is known of a key that is in the configuration, of whatever form: it may do
// everything, and its id says where it comes from.
func Static(text string) Key {
	hash := HashOf(text)
	return Key{ID: "static-" + hash.ID(), Scopes: Scopes{ScopeAdmin}, Hash: hash}
}

// Hash is the SHA-256 of a key.
type Hash [sha256.Size]byte

// HashOf hashes what a caller shows as its key.
func HashOf(text string) Hash {
	// The usual lengths are hashed where they are: a conversion alone would allocate.
	var buffer [128]byte
	if len(text) > len(buffer) {
		return sha256.Sum256([]byte(text))
	}
	return sha256.Sum256(buffer[:copy(buffer[:], text)])
}

// Equal compares two hashes in a time that does not depend on what they are.
func (h Hash) Equal(other Hash) bool { return subtle.ConstantTimeCompare(h[:], other[:]) == 1 }

// IDBytes is how much of a hash makes the id of its key.
const IDBytes = 6

// ID names a key in logs, lists and commands. It is the beginning of the key's hash, in hexadecimal
// digits: a key that turns up where it should not be can be told by it, and it tells nothing of the key.
type ID string

// ID returns the id of the key with this hash.
func (h Hash) ID() ID { return ID(hex.EncodeToString(h[:IDBytes])) }

// isID reports whether text has the form of an id.
func isID(text string) bool {
	_, err := hex.DecodeString(text)
	return err == nil && len(text) == hex.EncodedLen(IDBytes)
}
