package fake

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"paymentd/core/admin"
	"paymentd/core/apikey"
	"paymentd/ports"
)

// Keys is ports.Keys in memory.
type Keys struct {
	// Acts records who changes the keys. It may be replaced before the first call.
	Acts *AdminHistory

	mu      sync.Mutex
	keys    []apikey.Key
	rotated map[apikey.ID]bool // keys whose name another one has
	damaged []*apikey.StoredRowError
	faults  map[string]error // by method; "" is for all methods
	delays  map[string]time.Duration
	calls   map[string]int
}

// NewKeys returns an empty repository.
func NewKeys() *Keys {
	return &Keys{
		Acts: new(AdminHistory), rotated: make(map[apikey.ID]bool), calls: make(map[string]int), faults: make(map[string]error), delays: make(map[string]time.Duration),
	}
}

// Damage sets the rows that are not valid keys.
func (k *Keys) Damage(rows ...*apikey.StoredRowError) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.damaged = rows
}

// Fail makes every later call return the error; nil for none.
func (k *Keys) Fail(fault error) { k.FailOn("", fault) }

// FailOn makes every later call of a method return the error; nil for none.
func (k *Keys) FailOn(method string, fault error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.faults[method] = fault
}

// Delay delays every later answer of a method. The answer is as of the call.
func (k *Keys) Delay(method string, by time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.delays[method] = by
}

// Calls returns how often a method was called.
func (k *Keys) Calls(method string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.calls[method]
}

// Clear deletes all keys, like a restore from an old backup.
func (k *Keys) Clear() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys = nil
}

// transact runs f as one transaction. now is cut to microseconds, as in a database.
func (k *Keys) transact(ctx context.Context, method string, f func(now time.Time) error) error {
	k.mu.Lock()
	defer func() {
		delay := k.delays[method]
		k.mu.Unlock()
		time.Sleep(delay)
	}()
	k.calls[method]++
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ports.ErrUnavailable, err)
	}
	if fault := cmp.Or(k.faults[""], k.faults[method]); fault != nil {
		return fault
	}
	return f(time.Now().UTC().Truncate(time.Microsecond))
}

// Create implements ports.Keys.
func (k *Keys) Create(ctx context.Context, key apikey.Key) error {
	return k.transact(ctx, "Create", func(now time.Time) error {
		for _, other := range k.keys {
			switch {
			case other.ID == key.ID:
				return nil
			case other.Active() && other.Name == key.Name && !k.rotated[other.ID]:
				return ports.ErrKeyNameTaken
			}
		}
		if err := k.add(key, now); err != nil {
			return err
		}
		k.Acts.add(now, admin.CreateKey(key))
		return nil
	})
}

// add stores a new key unless there are too many.
func (k *Keys) add(key apikey.Key, now time.Time) error {
	if len(k.active(now)) >= apikey.MaxActive {
		return ports.ErrTooManyKeys
	}
	key.CreatedAt, key.LastUsedAt, key.RevokedAt = now, time.Time{}, time.Time{}
	key.CreatedBy, key.RevokedBy = apikey.Actor(key.CreatedBy), ""
	key.ExpiresAt = key.ExpiresAt.Truncate(time.Microsecond)
	k.keys = append(k.keys, key)
	return nil
}

// active returns the keys that are listed as active ones.
func (k *Keys) active(now time.Time) (active []apikey.Key) {
	for _, key := range k.keys {
		if key.Active() && (key.ExpiresAt.IsZero() || key.ExpiresAt.After(now.Add(-apikey.KeepExpired))) {
			active = append(active, key)
		}
	}
	return active
}

// find returns the key with this id or name; of several, an active one, and of those the one that has the name.
func (k *Keys) find(idOrName string) (*apikey.Key, error) {
	var found *apikey.Key
	rank := func(key *apikey.Key) int {
		switch {
		case !key.Active():
			return 0
		case k.rotated[key.ID]:
			return 1
		}
		return 2
	}
	for i := range k.keys {
		key := &k.keys[i]
		known := string(key.ID) == idOrName || string(key.Name) == idOrName
		if known && (found == nil || rank(key) >= rank(found)) {
			found = key
		}
	}
	if found == nil {
		return nil, ports.ErrNoSuchKey
	}
	return found, nil
}

// Revoke implements ports.Keys.
func (k *Keys) Revoke(ctx context.Context, idOrName, by string) (revoked apikey.Key, err error) {
	err = k.transact(ctx, "Revoke", func(now time.Time) error {
		key, err := k.find(idOrName)
		if err != nil {
			return err
		}
		defer func() { revoked = *key }()
		if !key.Active() {
			return ports.ErrKeyRevoked
		}
		key.RevokedAt, key.RevokedBy = now, apikey.Actor(by)
		k.Acts.add(now, admin.RevokeKey(*key, by))
		return nil
	})
	return revoked, err
}

// Rotate implements ports.Keys.
func (k *Keys) Rotate(
	ctx context.Context, idOrName string, next apikey.Key, overlap time.Duration,
) (before, after apikey.Key, err error) {
	err = k.transact(ctx, "Rotate", func(now time.Time) error {
		key, err := k.find(idOrName)
		switch {
		case err != nil:
			return err
		case slices.ContainsFunc(k.keys, func(other apikey.Key) bool { return other.ID == next.ID }):
			stored, err := k.find(string(next.ID))
			before, after = *key, *stored
			return err
		case !key.Active():
			return ports.ErrKeyRevoked
		case k.rotated[key.ID]:
			return apikey.ErrSuperseded
		}
		if before, after, err = key.Rotate(next, overlap, now); err != nil {
			return err
		}
		if len(k.active(now)) >= apikey.MaxActive {
			return ports.ErrTooManyKeys
		}
		before.ExpiresAt = before.ExpiresAt.Truncate(time.Microsecond)
		k.Acts.add(now, admin.RotateKey(*key, before, after)...)
		*key, k.rotated[key.ID] = before, true
		err = k.add(after, now)
		after = k.keys[len(k.keys)-1]
		return err
	})
	return before, after, err
}

// List implements ports.Keys.
func (k *Keys) List(ctx context.Context, limit int) (list ports.KeyList, err error) {
	err = k.transact(ctx, "List", func(time.Time) error {
		keys := slices.Clone(k.keys)
		slices.SortFunc(keys, func(a, b apikey.Key) int {
			return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
		})
		list.Keys, list.Unreadable = keys[:min(len(keys), limit)], k.damaged
		return nil
	})
	return list, err
}

// Active implements ports.Keys.
func (k *Keys) Active(ctx context.Context) (active ports.ActiveKeys, err error) {
	err = k.transact(ctx, "Active", func(now time.Time) error {
		active.Ever = len(k.keys)+len(k.damaged) > 0
		active.Keys, active.Unreadable = k.active(now), k.damaged
		return nil
	})
	return active, err
}

// NoteUse implements ports.Keys.
func (k *Keys) NoteUse(ctx context.Context, ids []apikey.ID, resolution time.Duration) error {
	return k.transact(ctx, "NoteUse", func(now time.Time) error {
		for i := range k.keys {
			key := &k.keys[i]
			if slices.Contains(ids, key.ID) && (key.LastUsedAt.IsZero() || key.LastUsedAt.Before(now.Add(-resolution))) {
				key.LastUsedAt = now
			}
		}
		return nil
	})
}

// OpenAccess accepts every caller, like a service that has no keys.
type OpenAccess struct{}

// Check returns a key without an id.
func (OpenAccess) Check(string) (*apikey.Key, error) {
	return &apikey.Key{Scopes: apikey.Scopes{apikey.ScopeAdmin}}, nil
}

// Ready returns nil.
func (OpenAccess) Ready() error { return nil }
