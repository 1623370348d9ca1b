package keycache

import (
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"paymentd/core/apikey"
	"paymentd/ports"
)

const (
	// refreshEvery and refreshTimeout together bound how long a revoked key may still be accepted
	// while the database answers. The documented bound is five seconds.
	refreshEvery   = 2 * time.Second
	refreshTimeout = 2 * time.Second
	// usageResolution is how often the use of one key is stored.
	usageResolution = time.Minute
)

// Settings are the configuration of API keys.
type Settings struct {
	// Static returns the keys of the configuration. It is called before each refresh.
	Static func() []string
	// Open accepts every caller as long as there has never been a key.
	Open bool
}

// Cache holds the API keys that are accepted. Its methods are safe for concurrent use, except Load and
// Run.
type Cache struct {
	settings  Settings
	keys      ports.Keys
	log       *slog.Logger
	startedAt time.Time

	latest      atomic.Pointer[snapshot]
	refreshedAt atomic.Int64 // in nanoseconds since startedAt; zero for never

	// Only Load and Run, in one goroutine, use what follows.
	active       *ports.ActiveKeys // as last read; nil before
	usages       map[apikey.ID]*usage
	loggedAccess string // the latest log line about who may call
	loggedDamage string // the latest log line about unreadable rows
	outage       bool
	outageBegan  time.Time
}

// snapshot is the result of one refresh. It does not change.
type snapshot struct {
	entries map[index]entry
	valid   int  // the entries that had not expired then
	loaded  bool // the keys of the database were read
	open    bool // to every caller
	unknown bool // whether it is open
}

// index is the part of a hash by which a key is found: the key's id. It is no secret, because the log
// has it too, so the time of a map lookup reveals nothing. The rest of the hash is compared in constant
// time.
type index [apikey.IDBytes]byte

func indexOf(hash apikey.Hash) index { return index(hash[:apikey.IDBytes]) }

type entry struct {
	key   *apikey.Key
	usage *usage // nil for a key of the configuration
}

// usage is whether a key was used since its use was last stored.
type usage struct {
	unstored atomic.Bool
	storedAt time.Time // only Run uses it
}

// New returns a cache that has no keys yet and refuses every caller. See Load and Run.
func New(settings Settings, keys ports.Keys, log *slog.Logger) *Cache {
	c := &Cache{settings: settings, keys: keys, log: log, startedAt: time.Now(), usages: make(map[apikey.ID]*usage)}
	c.latest.Store(&snapshot{unknown: true})
	return c
}

// anyCaller is the key of every caller while none is needed.
var anyCaller = &apikey.Key{Scopes: apikey.Scopes{apikey.ScopeAdmin}}

// Check returns the key that a caller presents, or a key without an id if none is needed. The text is
// empty for a caller that presents none. The error is apikey.ErrMissing, apikey.ErrUnknown, apikey.ErrExpired or
// apikey.ErrMistyped, or wraps ports.ErrUnavailable if the keys of the database were never read, so
// that the key may be one of them.
func (c *Cache) Check(text string) (*apikey.Key, error) {
	now := c.latest.Load()
	switch {
	case now.open:
		return anyCaller, nil
	case now.unknown: // a key may be needed or not
		return nil, errNotLoaded
	case text == "":
		return nil, apikey.ErrMissing
	}
	hash := apikey.HashOf(text)
	if e, found := now.entries[indexOf(hash)]; found && e.key.Hash.Equal(hash) {
		return e.accept()
	}
	switch err := apikey.Check(text); {
	case err != nil:
		return nil, err
	case !now.loaded:
		return nil, errNotLoaded
	}
	return nil, apikey.ErrUnknown
}

// Find returns the active key with an id, for a caller that presented the key before. While no key is needed it
// returns a key without an id. The error is apikey.ErrUnknown or apikey.ErrExpired, or wraps
// ports.ErrUnavailable if the keys of the database were never read.
func (c *Cache) Find(id apikey.ID) (*apikey.Key, error) {
	now := c.latest.Load()
	switch {
	case now.open:
		return anyCaller, nil
	case now.unknown:
		return nil, errNotLoaded
	}
	if e, found := now.entries[indexOfID(id)]; found && e.key.ID == id {
		return e.accept()
	}
	if !now.loaded {
		return nil, errNotLoaded
	}
	return nil, apikey.ErrUnknown
}

// indexOfID returns the zero value for a text that is no id.
func indexOfID(id apikey.ID) (i index) {
	decoded, err := hex.DecodeString(strings.TrimPrefix(string(id), apikey.StaticPrefix))
	if err == nil && len(decoded) == len(i) {
		copy(i[:], decoded)
	}
	return i
}

// accept returns the key unless it has expired, by the clock and not as of the latest refresh.
func (e entry) accept() (*apikey.Key, error) {
	if !e.key.ExpiresAt.IsZero() && e.key.Expired(time.Now()) {
		return nil, apikey.ErrExpired
	}
	e.usage.record()
	return e.key, nil
}

var errNotLoaded = fmt.Errorf("the API keys are not known yet: %w", ports.ErrUnavailable)

// record writes only if the value changes, because all cores read it at each request.
func (u *usage) record() {
	if u != nil && !u.unstored.Load() {
		u.unstored.Store(true)
	}
}

// Ready returns nil once the keys of the database were read.
func (c *Cache) Ready() error {
	if !c.latest.Load().loaded {
		return errNotLoaded
	}
	return nil
}

// Age returns how long ago the keys of the database were read, or the time since New if they never
// were.
func (c *Cache) Age() time.Duration {
	return time.Since(c.startedAt) - time.Duration(c.refreshedAt.Load())
}
