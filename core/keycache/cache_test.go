package keycache_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core/apikey"
	"paymentd/core/keycache"
	"paymentd/ports"
)

const (
	staticKey      = "a-key-of-the-configuration"
	otherStaticKey = "another-key-of-the-configuration"
)

// replica is one replica's cache, and the database that it shares with others.
type replica struct {
	*keycache.Cache

	t      *testing.T
	stored *fake.Keys
	static atomic.Pointer[[]string]
	log    *bytes.Buffer
	stop   func() // ends Run, and waits for it
}

// start loads and runs a cache in virtual time.
func start(t *testing.T, open bool, stored *fake.Keys, static ...string) *replica {
	t.Helper()
	r := newReplica(t, open, stored, static...)
	require.NoError(t, r.Load(t.Context()))
	r.run()
	return r
}

func newReplica(t *testing.T, open bool, stored *fake.Keys, static ...string) *replica {
	t.Helper()
	r := &replica{t: t, stored: stored, log: new(bytes.Buffer)}
	r.static.Store(&static)
	settings := keycache.Settings{Open: open, Static: func() []string { return *r.static.Load() }}
	r.Cache = keycache.New(settings, stored, slog.New(slog.NewTextHandler(r.log, nil)))
	return r
}

func (r *replica) run() {
	ctx, cancel := context.WithCancel(r.t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx) })
	r.stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	r.t.Cleanup(r.stop)
}

// create stores a new key, and returns its secret.
func create(t *testing.T, stored *fake.Keys, name apikey.Name, scopes ...apikey.Scope) string {
	t.Helper()
	key, secret := apikey.New(name, scopes)
	require.NoError(t, stored.Create(t.Context(), key))
	return secret.Reveal()
}

// revokeShop revokes the key "shop".
func (r *replica) revokeShop() {
	r.t.Helper()
	_, err := r.stored.Revoke(r.t.Context(), "shop", "ada")
	require.NoError(r.t, err)
}

// requireAccepted fails unless the key is accepted and has the name.
func (r *replica) requireAccepted(text string, name apikey.Name) {
	r.t.Helper()
	key, err := r.Check(text)
	require.NoError(r.t, err)
	require.Equal(r.t, name, key.Name)
}

func (r *replica) requireRefused(text string, why error) {
	r.t.Helper()
	key, err := r.Check(text)
	require.ErrorIs(r.t, err, why)
	require.Nil(r.t, key)
}

// advance lets time pass, and the background work that is due in it.
func advance(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// revokeWithin is how soon every replica refuses a revoked key, as documented.
const revokeWithin = 5 * time.Second

func TestCache_CreatedAndRevokedKeysReachEveryReplica(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := fake.NewKeys()
		shop := create(t, stored, "shop", apikey.ScopePay)
		a, b := start(t, false, stored), start(t, false, stored)
		for _, r := range []*replica{a, b} {
			r.requireAccepted(shop, "shop")
			r.requireRefused("", apikey.ErrMissing)
			r.requireRefused(shop[:40], apikey.ErrMistyped)
			r.requireRefused("Bearer", apikey.ErrUnknown)
			r.requireRefused(strings.ToUpper(shop), apikey.ErrUnknown)
		}
		key, err := a.Check(shop)
		require.NoError(t, err)
		require.Equal(t, apikey.Scopes{apikey.ScopePay}, key.Scopes)

		other := create(t, stored, "other", apikey.ScopeRead)
		a.requireRefused(other, apikey.ErrUnknown)
		advance(revokeWithin)
		for _, r := range []*replica{a, b} {
			r.requireAccepted(other, "other")
		}

		a.revokeShop()
		advance(revokeWithin)
		for _, r := range []*replica{a, b} {
			r.requireRefused(shop, apikey.ErrUnknown)
			r.requireAccepted(other, "other")
		}
	})
}

// A key is revoked at each moment between two refreshes, with a database as slow as the timeout allows.
func TestCache_RevokedKeyIsRefusedWithinFiveSeconds(t *testing.T) {
	t.Parallel()
	for after := time.Duration(0); after <= 4*time.Second; after += 250 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			stored := fake.NewKeys()
			shop := create(t, stored, "shop", apikey.ScopePay)
			r := start(t, false, stored)
			stored.Delay("Active", 1900*time.Millisecond)
			advance(after)
			r.revokeShop()
			advance(revokeWithin)
			r.requireRefused(shop, apikey.ErrUnknown)
		})
	}
}

func TestCheck_MakesNoQuery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := fake.NewKeys()
		shop := create(t, stored, "shop", apikey.ScopePay)
		r := start(t, false, stored)
		for range 10_000 {
			r.requireAccepted(shop, "shop")
			r.requireRefused("wrong", apikey.ErrUnknown)
		}
		require.Equal(t, 1, stored.Calls("Active"))
		require.Zero(t, stored.Calls("NoteUse"))
		advance(time.Minute)
		require.Equal(t, 31, stored.Calls("Active"), "one every two seconds")
	})
}

// A service on a loopback address is open until the first key exists, and never again.
func TestCache_OpenUntilTheFirstKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := fake.NewKeys()
		r := start(t, true, stored)
		for _, text := range []string{"", "any-text"} {
			key, err := r.Check(text)
			require.NoError(t, err)
			require.Empty(t, key.ID)
			require.True(t, key.Scopes.Allow(apikey.ScopePay))
			require.True(t, key.Scopes.Allow(apikey.ScopeRead))
		}
		require.Equal(t, 1, strings.Count(r.log.String(), "every client that reaches this address may charge"))

		shop := create(t, stored, "shop", apikey.ScopePay)
		advance(revokeWithin)
		r.requireRefused("", apikey.ErrMissing)
		r.requireAccepted(shop, "shop")
		r.revokeShop()
		advance(revokeWithin)
		r.requireRefused("", apikey.ErrMissing)
		r.requireRefused(shop, apikey.ErrUnknown)
		require.Contains(t, r.log.String(), "there is no active API key: every request is refused")

		again := start(t, true, stored)
		again.requireRefused("", apikey.ErrMissing)
		stored.Clear()
		advance(revokeWithin)
		r.requireRefused("", apikey.ErrMissing)
	})
}

// A key that is created and revoked between two refreshes closes the service too.
func TestCache_KeyRevokedBeforeTheRefreshStillCloses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, true, fake.NewKeys())
		create(t, r.stored, "shop", apikey.ScopePay)
		r.revokeShop()
		advance(revokeWithin)
		r.requireRefused("", apikey.ErrMissing)
	})
}

func TestLoad_NoKeyAtAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		require.ErrorIs(t, newReplica(t, false, fake.NewKeys()).Load(t.Context()), keycache.ErrNoKey)
		require.NoError(t, newReplica(t, true, fake.NewKeys()).Load(t.Context()))
		require.NoError(t, newReplica(t, false, fake.NewKeys(), staticKey).Load(t.Context()))

		stored := fake.NewKeys()
		create(t, stored, "shop", apikey.ScopePay)
		_, err := stored.Revoke(t.Context(), "shop", "ada")
		require.NoError(t, err)
		r := start(t, false, stored)
		r.requireRefused("", apikey.ErrMissing) // a new key can be created while it runs
	})
}

// A session of the console names its key by the id.
func TestFind_KeysThatAreAcceptedNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := fake.NewKeys()
		unread := newReplica(t, true, stored)
		_, err := unread.Find("0123456789ab")
		require.ErrorIs(t, err, ports.ErrUnavailable)
		anyone := start(t, true, stored)
		key, err := anyone.Find("0123456789ab")
		require.NoError(t, err)
		require.Empty(t, key.ID)

		shop := create(t, stored, "shop", apikey.ScopeRead)
		r := start(t, true, stored, staticKey)
		for _, text := range []string{shop, staticKey} {
			checked, err := r.Check(text)
			require.NoError(t, err)
			found, err := r.Find(checked.ID)
			require.NoError(t, err)
			require.Same(t, checked, found)
		}
		advance(2 * time.Minute)
		require.NotZero(t, lastUsed(t, stored)["shop"], "a find is a use")

		id := apikey.HashOf(shop).ID()
		r.revokeShop()
		advance(revokeWithin)
		for _, other := range []apikey.ID{id, "static-" + id, "", "not an id"} {
			_, err := r.Find(other)
			require.ErrorIs(t, err, apikey.ErrUnknown)
		}
	})
}

func TestCache_KeysOfTheConfiguration(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := fake.NewKeys()
		shop := create(t, stored, "shop", apikey.ScopePay)
		start(t, true, fake.NewKeys(), staticKey).requireRefused("", apikey.ErrMissing)
		r := start(t, true, stored, staticKey)
		r.requireAccepted(staticKey, "")
		r.requireAccepted(shop, "shop")
		r.requireRefused("", apikey.ErrMissing)
		key, err := r.Check(staticKey)
		require.NoError(t, err)
		require.Equal(t, apikey.Static(staticKey), *key)

		r.static.Store(&[]string{otherStaticKey})
		advance(revokeWithin)
		r.requireAccepted(otherStaticKey, "")
		r.requireRefused(staticKey, apikey.ErrUnknown)
	})
}

// The database becomes unavailable after the first refresh, or is unavailable from the start.
func TestCache_DatabaseUnavailable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := fake.NewKeys()
		shop := create(t, stored, "shop", apikey.ScopePay)
		seen := start(t, false, stored, staticKey)
		stored.Fail(ports.ErrUnavailable)
		unseen, open := start(t, false, stored, staticKey), start(t, true, stored)
		advance(time.Hour)

		require.NoError(t, seen.Ready())
		seen.requireAccepted(shop, "shop")
		seen.requireRefused("", apikey.ErrMissing)
		seen.requireRefused("wrong", apikey.ErrUnknown)
		require.Equal(t, 1, strings.Count(seen.log.String(), "cannot be read"), "once per outage")
		require.Equal(t, time.Hour, seen.Age())

		require.ErrorIs(t, unseen.Ready(), ports.ErrUnavailable)
		unseen.requireAccepted(staticKey, "")
		unseen.requireRefused(shop, ports.ErrUnavailable) // it may be a stored key
		unseen.requireRefused("wrong", apikey.ErrUnknown) // it cannot be a stored key
		unseen.requireRefused("", apikey.ErrMissing)
		for _, text := range []string{"", "wrong", shop} { // whether a key is needed is unknown
			open.requireRefused(text, ports.ErrUnavailable)
		}

		stored.Fail(nil)
		advance(revokeWithin)
		for _, r := range []*replica{seen, unseen, open} {
			require.NoError(t, r.Ready())
			r.requireAccepted(shop, "shop")
			r.requireRefused("", apikey.ErrMissing)
			require.Less(t, r.Age(), revokeWithin)
			require.Equal(t, 1, strings.Count(r.log.String(), "again"))
		}
	})
}

// Damaged keys are refused and logged once. Other keys are accepted, and the service is not open because
// of the damage.
func TestCache_DamagedKeysAreRefusedAndLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := fake.NewKeys()
		damaged := &apikey.StoredRowError{ID: "0123456789ab", Column: "hash", Problem: "has 3 bytes"}
		stored.Damage(damaged)
		r := start(t, true, stored)
		r.requireRefused("", apikey.ErrMissing)
		shop := create(t, stored, "shop", apikey.ScopePay)
		advance(revokeWithin)
		r.requireAccepted(shop, "shop")
		require.Equal(t, 1, strings.Count(r.log.String(), "level=ERROR"))
		require.Contains(t, r.log.String(), string(damaged.ID))
		stored.Damage()
		advance(revokeWithin)
		stored.Damage(damaged)
		advance(revokeWithin)
		require.Equal(t, 2, strings.Count(r.log.String(), "level=ERROR"), "again, because it was repaired in between")
	})
}

// The database becomes available, without keys, after the start of a service that needs keys.
func TestCache_LateDatabaseWithoutKeysRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := fake.NewKeys()
		stored.Fail(ports.ErrUnavailable)
		r := start(t, false, stored)
		stored.Fail(nil)
		advance(revokeWithin)
		r.requireRefused("", apikey.ErrMissing)
		require.Contains(t, r.log.String(), "make one with `paymentd keys create`")
	})
}

func lastUsed(t *testing.T, stored *fake.Keys) map[apikey.Name]time.Time {
	t.Helper()
	all, err := stored.List(t.Context(), 100)
	require.NoError(t, err)
	used := make(map[apikey.Name]time.Time)
	for _, key := range all.Keys {
		used[key.Name] = key.LastUsedAt
	}
	return used
}

func TestRun_StoresTheLastUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := fake.NewKeys()
		shop := create(t, stored, "shop", apikey.ScopePay)
		create(t, stored, "idle", apikey.ScopePay)
		a, b := start(t, false, stored), start(t, false, stored)
		advance(time.Minute)
		require.Zero(t, lastUsed(t, stored)["shop"])

		const minutes = 60
		for range minutes * 60 {
			a.requireAccepted(shop, "shop")
			b.requireAccepted(shop, "shop")
			advance(time.Second)
		}
		require.WithinDuration(t, time.Now(), lastUsed(t, stored)["shop"], 2*time.Minute)
		require.Zero(t, lastUsed(t, stored)["idle"])
		require.LessOrEqual(t, stored.Calls("NoteUse"), 2*(minutes+1), "once a minute on each replica")
		require.GreaterOrEqual(t, stored.Calls("NoteUse"), minutes)

		advance(time.Hour)
		calls := stored.Calls("NoteUse")
		a.requireAccepted(shop, "shop")
		last := time.Now()
		a.stop()
		require.Equal(t, calls+1, stored.Calls("NoteUse"), "the last use is stored at the stop")
		require.WithinDuration(t, last, lastUsed(t, stored)["shop"], time.Second)
		b.stop()
		require.Equal(t, calls+1, stored.Calls("NoteUse"), "an unused key is not written")
	})
}

func TestRun_FailedUseIsStoredLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := fake.NewKeys()
		shop := create(t, stored, "shop", apikey.ScopePay)
		r := start(t, false, stored)
		r.requireAccepted(shop, "shop")
		stored.FailOn("NoteUse", errors.New("read only"))
		advance(time.Minute)
		stored.FailOn("NoteUse", nil)
		require.Zero(t, lastUsed(t, stored)["shop"])
		advance(revokeWithin)
		require.NotZero(t, lastUsed(t, stored)["shop"], "it is stored later")
	})
}

// The row of a key is locked. Revoked keys are refused in time nevertheless, and a stop waits for the
// write.
func TestRun_SlowUseDelaysNoRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := fake.NewKeys()
		shop, other := create(t, stored, "shop", apikey.ScopePay), create(t, stored, "other", apikey.ScopePay)
		r := start(t, false, stored)
		r.requireAccepted(shop, "shop")
		r.requireAccepted(other, "other")
		stored.Delay("NoteUse", time.Hour)
		advance(revokeWithin)
		r.revokeShop()
		advance(revokeWithin)
		r.requireRefused(shop, apikey.ErrUnknown)
		r.requireAccepted(other, "other")
		require.Equal(t, 1, stored.Calls("NoteUse"), "one at a time")
		began := time.Now()
		r.stop()
		require.Greater(t, time.Since(began), 59*time.Minute)
	})
}

// Requests, refreshes and changes run at once, for the race detector.
func TestCache_ConcurrentUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := fake.NewKeys()
		shop := create(t, stored, "shop", apikey.ScopePay)
		r := start(t, false, stored)
		var clients sync.WaitGroup
		for range 8 {
			clients.Go(func() {
				for range 1000 {
					_, err := r.Check(shop)
					if err != nil && !errors.Is(err, apikey.ErrUnknown) {
						t.Error(err)
					}
					_ = r.Age() + time.Duration(len(shop))
					time.Sleep(10 * time.Millisecond)
				}
			})
		}
		advance(4 * time.Second)
		r.revokeShop()
		clients.Wait()
		r.requireRefused(shop, apikey.ErrUnknown)
	})
}

// BenchmarkCheck measures the check of a request's key, with the maximum number of keys.
func BenchmarkCheck(b *testing.B) {
	stored := fake.NewKeys()
	var text string
	for i := range apikey.MaxActive {
		key, secret := apikey.New(apikey.Name("key."+string(rune('a'+i%26))+strings.Repeat("x", i/26)), apikey.Scopes{apikey.ScopePay})
		require.NoError(b, stored.Create(b.Context(), key))
		text = secret.Reveal()
	}
	settings := keycache.Settings{Static: func() []string { return nil }}
	r := keycache.New(settings, stored, slog.New(slog.DiscardHandler))
	require.NoError(b, r.Load(b.Context()))
	for name, text := range map[string]string{"right": text, "wrong": "wrong", "mistyped": text[:50]} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if _, err := r.Check(text); (err == nil) != (name == "right") {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// A key expires by the clock, at the instant, and not at the next refresh; also while the database is away.
func TestCheck_ExpiryIsExact(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := fake.NewKeys()
		key, secret := apikey.New("shop", apikey.Scopes{apikey.ScopePay})
		key.ExpiresAt = time.Now().Add(time.Hour + 700*time.Millisecond)
		require.NoError(t, stored.Create(t.Context(), key))
		online, cut := start(t, false, stored), start(t, false, stored)
		advance(time.Hour)
		stored.Fail(ports.ErrUnavailable)
		advance(700*time.Millisecond - time.Nanosecond)
		for _, r := range []*replica{online, cut} {
			r.requireAccepted(secret.Reveal(), "shop")
		}
		advance(time.Nanosecond)
		for _, r := range []*replica{online, cut} {
			r.requireRefused(secret.Reveal(), apikey.ErrExpired)
		}
		stored.Fail(nil)
		advance(revokeWithin)
		online.requireRefused(secret.Reveal(), apikey.ErrExpired)
		require.Contains(t, online.log.String(), "there is no active API key: every request is refused")
		online.stop()
		cut.stop()
		advance(apikey.KeepExpired)
		later := start(t, true, stored)
		later.requireRefused(secret.Reveal(), apikey.ErrUnknown)
		later.requireRefused("", apikey.ErrMissing)
	})
}

func TestCache_RotatedKeyIsAcceptedForTheOverlap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := fake.NewKeys()
		before := create(t, stored, "shop", apikey.ScopePay)
		r := start(t, false, stored)
		next, secret := apikey.New("", nil)
		_, _, err := stored.Rotate(t.Context(), "shop", next, time.Hour)
		require.NoError(t, err)
		advance(revokeWithin)
		r.requireAccepted(before, "shop")
		r.requireAccepted(secret.Reveal(), "shop")
		advance(time.Hour - revokeWithin)
		r.requireRefused(before, apikey.ErrExpired)
		r.requireAccepted(secret.Reveal(), "shop")
	})
}
