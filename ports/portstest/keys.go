package portstest

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/apikey"
	"paymentd/ports"
)

// Keys checks that a repository keeps the contract of ports.Keys. open returns a new, empty repository,
// and registers its removal with t.Cleanup.
func Keys(t *testing.T, open func(t testing.TB) ports.Keys) {
	t.Helper()
	for _, c := range slices.Concat(keysCreated(), keysRevoked(), keysRotated(), keysExpired(), keyReads(), keyRaces()) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.check(&keys{Keys: open(t), t: t})
		})
	}
}

// keyClause is one statement of the contract and its check.
type keyClause struct {
	name  string
	check func(k *keys)
}

// keys is the repository under test.
type keys struct {
	ports.Keys

	t *testing.T
}

// create stores a new key, and returns it as stored.
func (k *keys) create(name apikey.Name, scopes ...apikey.Scope) apikey.Key {
	k.t.Helper()
	key, _ := apikey.New(name, scopes)
	require.NoError(k.t, k.Create(k.t.Context(), key))
	return k.find(key.ID)
}

func (k *keys) revoke(idOrName string) apikey.Key {
	k.t.Helper()
	key, err := k.Revoke(k.t.Context(), idOrName, "ada")
	require.NoError(k.t, err)
	return plainKey(key)
}

func (k *keys) find(id apikey.ID) apikey.Key {
	k.t.Helper()
	for _, key := range k.list() {
		if key.ID == id {
			return key
		}
	}
	require.Fail(k.t, "not listed", id)
	return apikey.Key{}
}

func (k *keys) list() []apikey.Key {
	k.t.Helper()
	all, err := k.List(k.t.Context(), 10_000)
	require.NoError(k.t, err)
	require.Empty(k.t, all.Unreadable)
	for i := range all.Keys {
		all.Keys[i] = plainKey(all.Keys[i])
	}
	return all.Keys
}

// active returns the names of the active keys, in their order, and whether there ever was a key.
func (k *keys) active() ([]apikey.Name, bool) {
	k.t.Helper()
	active, err := k.Active(k.t.Context())
	require.NoError(k.t, err)
	var names []apikey.Name
	for _, key := range active.Keys {
		require.Equal(k.t, k.find(key.ID), plainKey(key))
		names = append(names, key.Name)
	}
	slices.Sort(names)
	return names, active.Ever
}

func plainKey(key apikey.Key) apikey.Key {
	for _, at := range []*time.Time{&key.CreatedAt, &key.LastUsedAt, &key.RevokedAt, &key.ExpiresAt} {
		*at = plainTime(*at)
	}
	return key
}

func keysCreated() []keyClause {
	return []keyClause{
		{"create/stores the key with the database's time", func(k *keys) {
			key, _ := apikey.New("shop", apikey.Scopes{apikey.ScopePay, apikey.ScopeRead})
			given := key
			given.CreatedAt, given.RevokedAt, given.LastUsedAt = time.Unix(1, 0), time.Unix(2, 0), time.Unix(3, 0)
			given.RevokedBy, given.CreatedBy, key.CreatedBy = "eve", "Åsa\n", "Åsa"
			require.NoError(k.t, k.Create(k.t.Context(), given))
			stored := k.find(key.ID)
			require.WithinDuration(k.t, time.Now(), stored.CreatedAt, time.Minute)
			key.CreatedAt = stored.CreatedAt
			require.Equal(k.t, key, stored)
		}},
		{"create/stores the limits and the expiry", func(k *keys) {
			key, _ := apikey.New("shop", apikey.Scopes{apikey.ScopePay, apikey.ScopeRead})
			key.ExpiresAt = time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
			for i := range apikey.MaxLimits {
				key.Limits.OrderPrefixes = append(key.Limits.OrderPrefixes, strconv.Itoa(i)+strings.Repeat("~", 127))
				key.Limits.Gateways = append(key.Limits.Gateways, strconv.Itoa(i)+strings.Repeat(" ", 253)+"~")
			}
			require.NoError(k.t, k.Create(k.t.Context(), key))
			stored := k.find(key.ID)
			key.CreatedAt = stored.CreatedAt
			require.Equal(k.t, key, stored)
		}},
		{"create/a repeat changes nothing", func(k *keys) {
			key, _ := apikey.New("shop", apikey.Scopes{apikey.ScopePay})
			require.NoError(k.t, k.Create(k.t.Context(), key))
			require.NoError(k.t, k.Create(k.t.Context(), key))
			require.Len(k.t, k.list(), 1)
		}},
		{"create/names of active keys are unique and case-sensitive", func(k *keys) {
			k.create("shop", apikey.ScopePay)
			another, _ := apikey.New("shop", apikey.Scopes{apikey.ScopeRead})
			require.ErrorIs(k.t, k.Create(k.t.Context(), another), ports.ErrKeyNameTaken)
			k.create("Shop", apikey.ScopePay)
			require.Len(k.t, k.list(), 2)
		}},
		{"create/a revoked key's name is free", func(k *keys) {
			for range 3 {
				k.create("shop", apikey.ScopePay)
				k.revoke("shop")
			}
			require.Len(k.t, k.list(), 3)
		}},
		{"create/the number of active keys is limited", func(k *keys) {
			for i := range apikey.MaxActive {
				k.createNumbered(i)
			}
			over, _ := apikey.New("shop", apikey.Scopes{apikey.ScopePay})
			require.ErrorIs(k.t, k.Create(k.t.Context(), over), ports.ErrTooManyKeys)
			k.revoke("key.0")
			require.NoError(k.t, k.Create(k.t.Context(), over))
			require.NoError(k.t, k.Create(k.t.Context(), over), "a repeat is safe at the limit too")
			names, _ := k.active()
			require.Len(k.t, names, apikey.MaxActive)
		}},
	}
}

func keysRevoked() []keyClause {
	return []keyClause{
		{"revoke/by name or by id", func(k *keys) {
			first, second := k.create("first", apikey.ScopePay), k.create("second", apikey.ScopeRead)
			byName, byID := k.revoke("first"), k.revoke(string(second.ID))
			require.Equal(k.t, []apikey.ID{first.ID, second.ID}, []apikey.ID{byName.ID, byID.ID})
			require.False(k.t, byName.Active())
			require.WithinDuration(k.t, time.Now(), byName.RevokedAt, time.Minute)
			require.Equal(k.t, byName, k.find(first.ID))
			require.Equal(k.t, byID, k.find(second.ID))
		}},
		{"revoke/a name means the active key", func(k *keys) {
			first := k.create("shop", apikey.ScopePay)
			k.revoke("shop")
			second := k.create("shop", apikey.ScopePay)
			require.Equal(k.t, second.ID, k.revoke("shop").ID)
			require.NotEqual(k.t, first.ID, second.ID)
		}},
		{"revoke/a revoked key is refused, by name and by id", func(k *keys) {
			key := k.create("shop", apikey.ScopePay)
			at := k.revoke("shop").RevokedAt
			for _, called := range []string{"shop", string(key.ID)} {
				again, err := k.Revoke(k.t.Context(), called, "bob")
				require.ErrorIs(k.t, err, ports.ErrKeyRevoked)
				require.Equal(k.t, at, plainKey(again).RevokedAt)
				require.Equal(k.t, "ada", again.RevokedBy)
			}
		}},
		{"revoke/an unknown key is not found", func(k *keys) {
			k.create("shop", apikey.ScopePay)
			for _, called := range []string{"", "Shop", "shop2", "0123456789ab"} {
				_, err := k.Revoke(k.t.Context(), called, "bob")
				require.ErrorIs(k.t, err, ports.ErrNoSuchKey, called)
			}
		}},
	}
}

// createNumbered stores the i-th of many keys.
func (k *keys) createNumbered(i int) {
	k.t.Helper()
	key, _ := apikey.New(apikey.Name("key."+strconv.Itoa(i)), apikey.Scopes{apikey.ScopePay})
	require.NoError(k.t, k.Create(k.t.Context(), key))
}

func keyReads() []keyClause {
	return []keyClause{
		{"active/keys that are not revoked, and whether there ever was one", func(k *keys) {
			names, ever := k.active()
			require.Empty(k.t, names)
			require.False(k.t, ever)
			k.create("first", apikey.ScopePay)
			k.create("second", apikey.ScopeAdmin)
			names, ever = k.active()
			require.Equal(k.t, []apikey.Name{"first", "second"}, names)
			require.True(k.t, ever)
			k.revoke("first")
			names, _ = k.active()
			require.Equal(k.t, []apikey.Name{"second"}, names)
			k.revoke("second")
			names, ever = k.active()
			require.Empty(k.t, names)
			require.True(k.t, ever, "the last one is revoked, but existed")
		}},
		{"list/newest first, up to a limit, with revoked keys", func(k *keys) {
			for i := range 5 {
				k.createNumbered(i)
			}
			k.revoke("key.2")
			all := k.list()
			require.Len(k.t, all, 5)
			require.True(k.t, slices.IsSortedFunc(all, func(a, b apikey.Key) int { return b.CreatedAt.Compare(a.CreatedAt) }))
			some, err := k.List(k.t.Context(), 2)
			require.NoError(k.t, err)
			require.Len(k.t, some.Keys, 2)
			for i, key := range some.Keys {
				require.Equal(k.t, all[i], plainKey(key))
			}
			none, err := k.List(k.t.Context(), 0)
			require.NoError(k.t, err)
			require.Empty(k.t, none.Keys)
		}},
		{"use/is stored of the used keys only", func(k *keys) {
			first, second, third := k.create("first", apikey.ScopePay), k.create("second", apikey.ScopePay), k.create("third", apikey.ScopePay)
			k.use(0, first.ID, third.ID, "0123456789ab")
			require.WithinDuration(k.t, time.Now(), k.find(first.ID).LastUsedAt, time.Minute)
			require.Equal(k.t, k.find(first.ID).LastUsedAt, k.find(third.ID).LastUsedAt)
			require.Zero(k.t, k.find(second.ID).LastUsedAt)
			k.use(0)
		}},
		{"use/is stored once per resolution", func(k *keys) {
			key := k.create("shop", apikey.ScopePay)
			k.use(time.Hour, key.ID)
			first := k.find(key.ID).LastUsedAt
			require.NotZero(k.t, first)
			k.use(time.Hour, key.ID)
			require.Equal(k.t, first, k.find(key.ID).LastUsedAt)
			for began := time.Now(); k.find(key.ID).LastUsedAt.Equal(first); time.Sleep(pollInterval) {
				require.Less(k.t, time.Since(began), waitLimit)
				k.use(time.Microsecond, key.ID)
			}
		}},
	}
}

func (k *keys) use(resolution time.Duration, ids ...apikey.ID) {
	k.t.Helper()
	require.NoError(k.t, k.NoteUse(k.t.Context(), ids, resolution))
}

// keyRaces are about concurrent changes.
func keyRaces() []keyClause {
	const racers = 8
	atOnce := func(do func() error) (succeeded int, failed []error) {
		errs := make(chan error, racers)
		var all sync.WaitGroup
		for range racers {
			all.Go(func() { errs <- do() })
		}
		all.Wait()
		close(errs)
		for err := range errs {
			if err == nil {
				succeeded++
			} else {
				failed = append(failed, err)
			}
		}
		return succeeded, failed
	}
	return []keyClause{
		{"create/one of many concurrent keys gets the name", func(k *keys) {
			succeeded, failed := atOnce(func() error {
				key, _ := apikey.New("shop", apikey.Scopes{apikey.ScopePay})
				return k.Create(k.t.Context(), key)
			})
			require.Equal(k.t, 1, succeeded)
			for _, err := range failed {
				require.ErrorIs(k.t, err, ports.ErrKeyNameTaken)
			}
		}},
		{"revoke/one of many concurrent calls revokes the key", func(k *keys) {
			k.create("shop", apikey.ScopePay)
			succeeded, failed := atOnce(func() error {
				_, err := k.Revoke(k.t.Context(), "shop", "ada")
				return err
			})
			require.Equal(k.t, 1, succeeded)
			require.False(k.t, slices.ContainsFunc(failed, func(err error) bool { return !errors.Is(err, ports.ErrKeyRevoked) }))
		}},
	}
}
