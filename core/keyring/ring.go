package keyring

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"paymentd/core/apikey"
	"paymentd/ports"
)

const (
	// refreshEvery and refreshTimeout bound, in sum, how long a revoked key may still open while the
	// database answers: five seconds are promised.
	refreshEvery   = 2 * time.Second
	refreshTimeout = 2 * time.Second
	// grain is how exactly it is stored when a key was last used.
	grain = time.Minute
)

// Settings are what a configuration says of keys.
type Settings struct {
	// Static returns the keys of the configuration. It is asked before each refresh.
	Static func() []string
	// Open lets everyone call for as long as there has never been a key.
	Open bool
}

// Ring is the keys that open. Its methods are safe for concurrent use, but for Load and Run.
type Ring struct {
	settings Settings
	keys     ports.Keys
	log      *slog.Logger
	began    time.Time

	latest    atomic.Pointer[snapshot]
	refreshed atomic.Int64 // when, in nanoseconds since began; zero for never

	// What follows is of Load and Run alone, and of one goroutine.
	known       *ports.ActiveKeys // as it was read last; nil before
	uses        map[apikey.ID]*use
	said        string // the latest word on who may call
	damage      string // the latest word on rows that make no key
	outage      bool
	outageBegan time.Time
}

// snapshot is what one refresh has found. It does not change.
type snapshot struct {
	entries map[index]entry
	known   bool // the database has told its keys
	open    bool // to everyone
	unsure  bool // whether it is open
}

// index is where a key is found. It is the key's id, and no secret: how long a map takes to find it
// tells nothing that the log does not. What remains of the hash is compared in constant time, and
// even that would only tell of a hash, which nobody can lead to where he wants it.
type index [apikey.IDBytes]byte

func indexOf(hash apikey.Hash) index { return index(hash[:apikey.IDBytes]) }

type entry struct {
	key *apikey.Key
	use *use // nil for a key of the configuration
}

// use is whether a key was used since that was last stored.
type use struct {
	fresh  atomic.Bool
	stored time.Time // of Run alone
}

// New returns a ring that knows no key yet, and opens to nobody. See Load and Run.
func New(settings Settings, keys ports.Keys, log *slog.Logger) *Ring {
	r := &Ring{settings: settings, keys: keys, log: log, began: time.Now(), uses: make(map[apikey.ID]*use)}
	r.latest.Store(&snapshot{unsure: true})
	return r
}

// everyone is who calls where no key is needed.
var everyone = &apikey.Key{Scopes: apikey.Scopes{apikey.ScopeAdmin}}

// Check returns the key that a caller shows, or where none is needed, one without an id. The text
// is empty for a caller who shows none. The error is apikey.ErrMissing, apikey.ErrUnknown or
// apikey.ErrMistyped, or wraps ports.ErrUnavailable: the database has never told its keys, and the
// key may be one of them.
func (r *Ring) Check(text string) (*apikey.Key, error) {
	now := r.latest.Load()
	switch {
	case now.open:
		return everyone, nil
	case now.unsure: // so it cannot be said that a key is missing or wrong, either
		return nil, errNotKnown
	case text == "":
		return nil, apikey.ErrMissing
	}
	hash := apikey.HashOf(text)
	if e, found := now.entries[indexOf(hash)]; found && e.key.Hash.Equal(hash) {
		e.use.note()
		return e.key, nil
	}
	switch err := apikey.Check(text); {
	case err != nil:
		return nil, err
	case !now.known:
		return nil, errNotKnown
	}
	return nil, apikey.ErrUnknown
}

var errNotKnown = fmt.Errorf("the API keys are not known yet: %w", ports.ErrUnavailable)

// note writes only what is not so yet: all cores read it at each request.
func (u *use) note() {
	if u != nil && !u.fresh.Load() {
		u.fresh.Store(true)
	}
}

// Ready returns nil once it is known who may call.
func (r *Ring) Ready() error {
	if !r.latest.Load().known {
		return errNotKnown
	}
	return nil
}

// Age returns how long ago the database has told its keys; since New, if it never has.
func (r *Ring) Age() time.Duration { return time.Since(r.began) - time.Duration(r.refreshed.Load()) }
