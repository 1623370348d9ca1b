package portstest

import (
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/apikey"
	"paymentd/ports"
)

func keysRotated() []keyClause {
	next := func() apikey.Key {
		key, _ := apikey.New("", nil)
		key.CreatedBy = "bob"
		return key
	}
	return []keyClause{
		{"rotate/the successor has the name, scopes and limits, and the key expires after the overlap", func(k *keys) {
			key, _ := apikey.New("shop", apikey.Scopes{apikey.ScopePay, apikey.ScopeRefund})
			key.Limits = apikey.Limits{OrderPrefixes: []string{"shop1-"}, Gateways: []string{"bank"}}
			require.NoError(k.t, k.Create(k.t.Context(), key))
			given := next()
			before, after, err := k.Rotate(k.t.Context(), "shop", given, time.Hour)
			require.NoError(k.t, err)
			before, after = plainKey(before), plainKey(after)
			require.Equal(k.t, []apikey.Key{k.find(key.ID), k.find(given.ID)}, []apikey.Key{before, after})
			require.WithinDuration(k.t, time.Now().Add(time.Hour), before.ExpiresAt, time.Minute)
			given.Name, given.Scopes, given.Limits, given.CreatedAt = key.Name, key.Scopes, key.Limits, after.CreatedAt
			require.Equal(k.t, given, after)
			names, _ := k.active()
			require.Equal(k.t, []apikey.Name{"shop", "shop"}, names)
		}},
		{"rotate/a repeat changes nothing", func(k *keys) {
			key, given := k.create("shop", apikey.ScopePay), next()
			_, _, err := k.Rotate(k.t.Context(), string(key.ID), given, time.Hour)
			require.NoError(k.t, err)
			all := k.list()
			before, after, err := k.Rotate(k.t.Context(), string(key.ID), given, 0)
			require.NoError(k.t, err)
			require.Equal(k.t, []apikey.ID{key.ID, given.ID}, []apikey.ID{before.ID, after.ID})
			require.Equal(k.t, all, k.list())
		}},
		{"rotate/the name means the successor, and a rotated key is not rotated again", func(k *keys) {
			key, second, third := k.create("shop", apikey.ScopePay), next(), next()
			for _, given := range []apikey.Key{second, third} {
				_, _, err := k.Rotate(k.t.Context(), "shop", given, time.Hour)
				require.NoError(k.t, err)
			}
			_, _, err := k.Rotate(k.t.Context(), string(key.ID), next(), time.Hour)
			require.ErrorIs(k.t, err, apikey.ErrSuperseded)
			another, _ := apikey.New("shop", apikey.Scopes{apikey.ScopePay})
			require.ErrorIs(k.t, k.Create(k.t.Context(), another), ports.ErrKeyNameTaken)
			require.Equal(k.t, third.ID, k.revoke("shop").ID)
			require.NoError(k.t, k.Create(k.t.Context(), another))
			require.Equal(k.t, another.ID, k.revoke("shop").ID)
			require.Equal(k.t, key.ID, k.revoke(string(key.ID)).ID)
		}},
		{"rotate/an earlier expiry stays, and the successor needs one", func(k *keys) {
			key, _ := apikey.New("shop", apikey.Scopes{apikey.ScopePay})
			key.ExpiresAt = time.Now().Add(time.Minute).UTC().Truncate(time.Microsecond)
			require.NoError(k.t, k.Create(k.t.Context(), key))
			given := next()
			_, _, err := k.Rotate(k.t.Context(), "shop", given, time.Hour)
			require.ErrorIs(k.t, err, apikey.ErrExpiryNeeded)
			require.Len(k.t, k.list(), 1)
			given.ExpiresAt = key.ExpiresAt.Add(24 * time.Hour)
			before, after, err := k.Rotate(k.t.Context(), "shop", given, time.Hour)
			require.NoError(k.t, err)
			require.Equal(k.t, key.ExpiresAt, before.ExpiresAt.UTC())
			require.Equal(k.t, given.ExpiresAt, after.ExpiresAt.UTC())
		}},
		{"rotate/an unknown or revoked key is refused", func(k *keys) {
			_, _, err := k.Rotate(k.t.Context(), "shop", next(), time.Hour)
			require.ErrorIs(k.t, err, ports.ErrNoSuchKey)
			k.create("shop", apikey.ScopePay)
			k.revoke("shop")
			_, _, err = k.Rotate(k.t.Context(), "shop", next(), time.Hour)
			require.ErrorIs(k.t, err, ports.ErrKeyRevoked)
		}},
	}
}

func keysExpired() []keyClause {
	expired := func(k *keys, name apikey.Name, ago time.Duration) {
		key, _ := apikey.New(name, apikey.Scopes{apikey.ScopePay})
		key.ExpiresAt = time.Now().Add(-ago)
		require.NoError(k.t, k.Create(k.t.Context(), key))
	}
	return []keyClause{
		{"expiry/an expired key is listed as active for some time, and then only as a key", func(k *keys) {
			expired(k, "lately", time.Minute)
			expired(k, "long-ago", apikey.KeepExpired+time.Minute)
			active, err := k.Active(k.t.Context())
			require.NoError(k.t, err)
			require.Len(k.t, active.Keys, 1)
			require.Equal(k.t, apikey.Name("lately"), active.Keys[0].Name)
			require.Zero(k.t, active.Accepted(time.Now()))
			require.True(k.t, active.Ever)
			require.Len(k.t, k.list(), 2)
			k.revoke("long-ago")
			expired(k, "long-ago", 0)
		}},
	}
}
