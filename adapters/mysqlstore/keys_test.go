package mysqlstore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore"
	"paymentd/core/apikey"
	"paymentd/ports"
)

// The connection is cut while a key is created or revoked. That is done once, and the caller gets the
// result.
func TestKeys_LostAnswerIsRetried(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]plan{
		"created, and the answer lost":      {statement: "INSERT INTO api_keys"},
		"created, and the statement lost":   {statement: "INSERT INTO api_keys", loseStatement: true},
		"created, and the commit lost":      {statement: commit, loseStatement: true},
		"created, the commit's answer lost": {statement: commit},
		"revoked, and the answer lost":      {statement: "UPDATE api_keys"},
		"revoked, and the statement lost":   {statement: "UPDATE api_keys", loseStatement: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, linked := newLink(t, migrated(t))
			keys := open(t, linked, mysqlstore.Options{}).Keys()
			l.cutAt(p)
			key, _ := apikey.New("shop", apikey.Scopes{apikey.ScopePay})
			require.NoError(t, keys.Create(t.Context(), key))
			revoked, err := keys.Revoke(t.Context(), "shop", "ada")
			require.NoError(t, err)
			require.False(t, revoked.Active())
			require.True(t, l.wasCut())
			all, err := keys.List(t.Context(), 10)
			require.NoError(t, err)
			require.Equal(t, []apikey.Key{revoked}, all.Keys)
		})
	}
}

// An earlier try to create a key is executed during a later one.
func TestKeys_LateInsertIsTheSameKey(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	l, linked := newLink(t, url)
	keys, earlier := open(t, linked, mysqlstore.Options{}).Keys(), open(t, url, mysqlstore.Options{}).Keys()
	key, _ := apikey.New("shop", apikey.Scopes{apikey.ScopePay})
	arrived := make(chan error, 1)
	l.cutAt(plan{statement: "SELECT COUNT(*)", only: func() { arrived <- earlier.Create(t.Context(), key) }})
	require.NoError(t, keys.Create(t.Context(), key))
	require.NoError(t, <-arrived)
	all, err := keys.List(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, all.Keys, 1)
}

func TestKeys_LostServerIsInDoubt(t *testing.T) {
	t.Parallel()
	l, linked := newLink(t, migrated(t))
	keys := open(t, linked, mysqlstore.Options{}).Keys()
	l.cutAt(plan{statement: commit, forGood: true})
	key, _ := apikey.New("shop", apikey.Scopes{apikey.ScopePay})
	require.ErrorIs(t, keys.Create(t.Context(), key), ports.ErrInDoubt)
	_, err := keys.Active(t.Context())
	require.ErrorIs(t, err, ports.ErrUnavailable)
}

// A newer program's scopes are unknown here and permit nothing.
func TestKeys_UnknownScopesPermitNothing(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	keys := open(t, url, mysqlstore.Options{}).Keys()
	key, _ := apikey.New("shop", apikey.Scopes{apikey.ScopePay})
	require.NoError(t, keys.Create(t.Context(), key))
	execute(t, raw(t, url), "UPDATE api_keys SET scopes = 'pay,refund'")
	active, err := keys.Active(t.Context())
	require.NoError(t, err)
	require.True(t, active.Keys[0].Scopes.Allow(apikey.ScopePay))
	require.False(t, active.Keys[0].Scopes.Allow(apikey.ScopeRead))
}
