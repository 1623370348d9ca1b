package keyring_test

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
	"paymentd/core/keyring"
	"paymentd/ports"
)

const (
	ofConfiguration = "a-key-of-the-configuration"
	another         = "another-key-of-the-configuration"
)

// world is a replica's ring, and the database that others use as well.
type world struct {
	*keyring.Ring

	t      *testing.T
	stored *fake.Keys
	static atomic.Pointer[[]string]
	log    *bytes.Buffer
	stop   func() // ends Run, and waits for it
}

// start runs a ring in virtual time, which begins with a refresh.
func start(t *testing.T, open bool, stored *fake.Keys, static ...string) *world {
	t.Helper()
	w := newWorld(t, open, stored, static...)
	require.NoError(t, w.Load(t.Context()))
	w.run()
	return w
}

func newWorld(t *testing.T, open bool, stored *fake.Keys, static ...string) *world {
	t.Helper()
	w := &world{t: t, stored: stored, log: new(bytes.Buffer)}
	w.static.Store(&static)
	settings := keyring.Settings{Open: open, Static: func() []string { return *w.static.Load() }}
	w.Ring = keyring.New(settings, stored, slog.New(slog.NewTextHandler(w.log, nil)))
	return w
}

func (w *world) run() {
	ctx, cancel := context.WithCancel(w.t.Context())
	var running sync.WaitGroup
	running.Go(func() { w.Run(ctx) })
	w.stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	w.t.Cleanup(w.stop)
}

// create makes a key in the database, and returns it whole.
func create(t *testing.T, stored *fake.Keys, name apikey.Name, scopes ...apikey.Scope) string {
	t.Helper()
	key, secret := apikey.New(name, scopes)
	require.NoError(t, stored.Create(t.Context(), key))
	return secret.Reveal()
}

// revokeShop revokes the key of that name.
func (w *world) revokeShop() {
	w.t.Helper()
	_, err := w.stored.Revoke(w.t.Context(), "shop")
	require.NoError(w.t, err)
}

// opens requires that the key opens, and says whose it is.
func (w *world) opens(text string, name apikey.Name) {
	w.t.Helper()
	key, err := w.Check(text)
	require.NoError(w.t, err)
	require.Equal(w.t, name, key.Name)
}

func (w *world) refuses(text string, why error) {
	w.t.Helper()
	key, err := w.Check(text)
	require.ErrorIs(w.t, err, why)
	require.Nil(w.t, key)
}

// pass lets time go by, and whatever is due then.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// promise is within what a revoked key is refused on every replica.
const promise = 5 * time.Second

func TestKeysOfTheDatabase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := fake.NewKeys()
		shop := create(t, stored, "shop", apikey.ScopePay)
		a, b := start(t, false, stored), start(t, false, stored)
		for _, w := range []*world{a, b} {
			w.opens(shop, "shop")
			w.refuses("", apikey.ErrMissing)
			w.refuses(shop[:40], apikey.ErrMistyped)
			w.refuses("Bearer", apikey.ErrUnknown)
			w.refuses(strings.ToUpper(shop), apikey.ErrUnknown)
		}
		key, err := a.Check(shop)
		require.NoError(t, err)
		require.Equal(t, apikey.Scopes{apikey.ScopePay}, key.Scopes)

		other := create(t, stored, "other", apikey.ScopeRead)
		a.refuses(other, apikey.ErrUnknown)
		pass(promise)
		for _, w := range []*world{a, b} {
			w.opens(other, "other")
		}

		a.revokeShop()
		pass(promise)
		for _, w := range []*world{a, b} {
			w.refuses(shop, apikey.ErrUnknown)
			w.opens(other, "other")
		}
	})
}

// TestRevokedWithinFiveSeconds revokes at every moment between two refreshes, of a database that takes
// as long as it may.
func TestRevokedWithinFiveSeconds(t *testing.T) {
	t.Parallel()
	for after := time.Duration(0); after <= 4*time.Second; after += 250 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			stored := fake.NewKeys()
			shop := create(t, stored, "shop", apikey.ScopePay)
			w := start(t, false, stored)
			stored.Delay("Active", 1900*time.Millisecond)
			pass(after)
			w.revokeShop()
			pass(promise)
			w.refuses(shop, apikey.ErrUnknown)
		})
	}
}

func TestACheckAsksNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := fake.NewKeys()
		shop := create(t, stored, "shop", apikey.ScopePay)
		w := start(t, false, stored)
		for range 10_000 {
			w.opens(shop, "shop")
			w.refuses("wrong", apikey.ErrUnknown)
		}
		require.Equal(t, 1, stored.Calls("Active"))
		require.Zero(t, stored.Calls("NoteUse"))
		pass(time.Minute)
		require.Equal(t, 31, stored.Calls("Active"), "one each two seconds")
	})
}

// TestNoKeyAtAll is of a service on a loopback address: it is open until there is a key, and the door
// does not open again.
func TestNoKeyAtAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := fake.NewKeys()
		w := start(t, true, stored)
		for _, text := range []string{"", "whatever"} {
			key, err := w.Check(text)
			require.NoError(t, err)
			require.Empty(t, key.ID)
			require.True(t, key.Scopes.Allow(apikey.ScopePay))
			require.True(t, key.Scopes.Allow(apikey.ScopeRead))
		}
		require.Equal(t, 1, strings.Count(w.log.String(), "whoever reaches this address may charge"))

		shop := create(t, stored, "shop", apikey.ScopePay)
		pass(promise)
		w.refuses("", apikey.ErrMissing)
		w.opens(shop, "shop")
		w.revokeShop()
		pass(promise)
		w.refuses("", apikey.ErrMissing)
		w.refuses(shop, apikey.ErrUnknown)
		require.Contains(t, w.log.String(), "there is no active API key: nobody is served")

		again := start(t, true, stored)
		again.refuses("", apikey.ErrMissing)
		stored.Clear()
		pass(promise)
		w.refuses("", apikey.ErrMissing)
	})
}

// TestKeyThatWasThereForAMoment is created and revoked between two looks.
func TestKeyThatWasThereForAMoment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t, true, fake.NewKeys())
		create(t, w.stored, "shop", apikey.ScopePay)
		w.revokeShop()
		pass(promise)
		w.refuses("", apikey.ErrMissing)
	})
}

func TestNobodyCouldCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		require.ErrorIs(t, newWorld(t, false, fake.NewKeys()).Load(t.Context()), keyring.ErrNoKey)
		require.NoError(t, newWorld(t, true, fake.NewKeys()).Load(t.Context()))
		require.NoError(t, newWorld(t, false, fake.NewKeys(), ofConfiguration).Load(t.Context()))

		stored := fake.NewKeys()
		create(t, stored, "shop", apikey.ScopePay)
		_, err := stored.Revoke(t.Context(), "shop")
		require.NoError(t, err)
		w := start(t, false, stored)
		w.refuses("", apikey.ErrMissing) // and whoever is to call can be given a key
	})
}

func TestKeysOfTheConfiguration(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := fake.NewKeys()
		shop := create(t, stored, "shop", apikey.ScopePay)
		start(t, true, fake.NewKeys(), ofConfiguration).refuses("", apikey.ErrMissing)
		w := start(t, true, stored, ofConfiguration)
		w.opens(ofConfiguration, "")
		w.opens(shop, "shop")
		w.refuses("", apikey.ErrMissing)
		key, err := w.Check(ofConfiguration)
		require.NoError(t, err)
		require.Equal(t, apikey.Static(ofConfiguration), *key)

		w.static.Store(&[]string{another})
		pass(promise)
		w.opens(another, "")
		w.refuses(ofConfiguration, apikey.ErrUnknown)
	})
}

// TestDatabaseIsAway holds who is served when the database goes, and before it has ever come.
func TestDatabaseIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := fake.NewKeys()
		shop := create(t, stored, "shop", apikey.ScopePay)
		seen := start(t, false, stored, ofConfiguration)
		stored.Fail(ports.ErrUnavailable)
		unseen, open := start(t, false, stored, ofConfiguration), start(t, true, stored)
		pass(time.Hour)

		require.NoError(t, seen.Ready())
		seen.opens(shop, "shop")
		seen.refuses("", apikey.ErrMissing)
		seen.refuses("wrong", apikey.ErrUnknown)
		require.Equal(t, 1, strings.Count(seen.log.String(), "cannot be read"), "once an outage")
		require.Equal(t, time.Hour, seen.Age())

		require.ErrorIs(t, unseen.Ready(), ports.ErrUnavailable)
		unseen.opens(ofConfiguration, "")
		unseen.refuses(shop, ports.ErrUnavailable) // it may be one
		unseen.refuses("wrong", apikey.ErrUnknown) // it cannot be one
		unseen.refuses("", apikey.ErrMissing)
		for _, text := range []string{"", "wrong", shop} { // is there a key?
			open.refuses(text, ports.ErrUnavailable)
		}

		stored.Fail(nil)
		pass(promise)
		for _, w := range []*world{seen, unseen, open} {
			require.NoError(t, w.Ready())
			w.opens(shop, "shop")
			w.refuses("", apikey.ErrMissing)
			require.Less(t, w.Age(), promise)
			require.Equal(t, 1, strings.Count(w.log.String(), "again"))
		}
	})
}

// TestDamagedKeys open nothing, and are in the log once; the others open, and the service does not stand open
// because of them.
func TestDamagedKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := fake.NewKeys()
		damaged := &apikey.StoredRowError{ID: "0123456789ab", Column: "hash", Problem: "has 3 bytes"}
		stored.Damage(damaged)
		w := start(t, true, stored)
		w.refuses("", apikey.ErrMissing)
		shop := create(t, stored, "shop", apikey.ScopePay)
		pass(promise)
		w.opens(shop, "shop")
		require.Equal(t, 1, strings.Count(w.log.String(), "level=ERROR"))
		require.Contains(t, w.log.String(), string(damaged.ID))
		stored.Damage()
		pass(promise)
		stored.Damage(damaged)
		pass(promise)
		require.Equal(t, 2, strings.Count(w.log.String(), "level=ERROR"), "again, after it was repaired")
	})
}

// TestLateDatabaseWithoutKeys comes after the start of a service that needs keys.
func TestLateDatabaseWithoutKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := fake.NewKeys()
		stored.Fail(ports.ErrUnavailable)
		w := start(t, false, stored)
		stored.Fail(nil)
		pass(promise)
		w.refuses("", apikey.ErrMissing)
		require.Contains(t, w.log.String(), "make one with `paymentd keys create`")
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

func TestLastUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := fake.NewKeys()
		shop := create(t, stored, "shop", apikey.ScopePay)
		create(t, stored, "idle", apikey.ScopePay)
		a, b := start(t, false, stored), start(t, false, stored)
		pass(time.Minute)
		require.Zero(t, lastUsed(t, stored)["shop"])

		const minutes = 60
		for range minutes * 60 {
			a.opens(shop, "shop")
			b.opens(shop, "shop")
			pass(time.Second)
		}
		require.WithinDuration(t, time.Now(), lastUsed(t, stored)["shop"], 2*time.Minute)
		require.Zero(t, lastUsed(t, stored)["idle"])
		require.LessOrEqual(t, stored.Calls("NoteUse"), 2*(minutes+1), "once a minute on each replica")
		require.GreaterOrEqual(t, stored.Calls("NoteUse"), minutes)

		pass(time.Hour)
		calls := stored.Calls("NoteUse")
		a.opens(shop, "shop")
		last := time.Now()
		a.stop() // at once
		require.Equal(t, calls+1, stored.Calls("NoteUse"), "a use is not forgotten at a stop")
		require.WithinDuration(t, last, lastUsed(t, stored)["shop"], time.Second)
		b.stop()
		require.Equal(t, calls+1, stored.Calls("NoteUse"), "what was not used is not written")
	})
}

func TestUseThatCannotBeStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := fake.NewKeys()
		shop := create(t, stored, "shop", apikey.ScopePay)
		w := start(t, false, stored)
		w.opens(shop, "shop")
		stored.FailOn("NoteUse", errors.New("read only"))
		pass(time.Minute)
		stored.FailOn("NoteUse", nil)
		require.Zero(t, lastUsed(t, stored)["shop"])
		pass(promise)
		require.NotZero(t, lastUsed(t, stored)["shop"], "it is stored later")
	})
}

// TestUseThatIsStoredSlowly is of a row that somebody has locked. Keys are refused in time all the same,
// and a stop waits for the write.
func TestUseThatIsStoredSlowly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := fake.NewKeys()
		shop, other := create(t, stored, "shop", apikey.ScopePay), create(t, stored, "other", apikey.ScopePay)
		w := start(t, false, stored)
		w.opens(shop, "shop")
		w.opens(other, "other")
		stored.Delay("NoteUse", time.Hour)
		pass(promise)
		w.revokeShop()
		pass(promise)
		w.refuses(shop, apikey.ErrUnknown)
		w.opens(other, "other")
		require.Equal(t, 1, stored.Calls("NoteUse"), "one at a time")
		began := time.Now()
		w.stop()
		require.Greater(t, time.Since(began), 59*time.Minute)
	})
}

// TestConcurrentChecks has requests, refreshes and changes at once; the race detector looks on.
func TestConcurrentChecks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := fake.NewKeys()
		shop := create(t, stored, "shop", apikey.ScopePay)
		w := start(t, false, stored)
		var clients sync.WaitGroup
		for range 8 {
			clients.Go(func() {
				for range 1000 {
					_, err := w.Check(shop)
					if err != nil && !errors.Is(err, apikey.ErrUnknown) {
						t.Error(err)
					}
					_ = w.Age() + time.Duration(len(shop))
					time.Sleep(10 * time.Millisecond)
				}
			})
		}
		pass(4 * time.Second)
		w.revokeShop()
		clients.Wait()
		w.refuses(shop, apikey.ErrUnknown)
	})
}

// BenchmarkCheck is what a request pays for its key, with as many keys as there can be.
func BenchmarkCheck(b *testing.B) {
	stored := fake.NewKeys()
	var text string
	for i := range apikey.MaxActive {
		key, secret := apikey.New(apikey.Name("key."+string(rune('a'+i%26))+strings.Repeat("x", i/26)), apikey.Scopes{apikey.ScopePay})
		require.NoError(b, stored.Create(b.Context(), key))
		text = secret.Reveal()
	}
	settings := keyring.Settings{Static: func() []string { return nil }}
	r := keyring.New(settings, stored, slog.New(slog.DiscardHandler))
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
