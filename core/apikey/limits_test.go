package apikey_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/apikey"
)

func TestLimits_Parse(t *testing.T) {
	t.Parallel()
	for name, given := range map[string][]string{
		"empty": {""}, "a space": {"shop 1"}, "not ASCII": {"förstå"}, "too long": {strings.Repeat("x", 129)}, "twice": {"a", "a"},
		"too many": strings.Split("a b c d e f g h i j k", " "), "a line feed": {"a\nb"},
	} {
		_, err := apikey.ParseOrderPrefixes(given)
		require.Error(t, err, name)
	}
	got, err := apikey.ParseOrderPrefixes([]string{"shop1-", strings.Repeat("~", 128)})
	require.NoError(t, err)
	require.Len(t, got, 2)
	_, err = apikey.ParseGateways([]string{"https://gateway.example/v1"})
	require.NoError(t, err)
	_, err = apikey.ParseGateways([]string{""})
	require.Error(t, err)
}

// rowOf returns the row of a key.
func rowOf(key apikey.Key) apikey.Row {
	return apikey.Row{
		ID: key.ID, Name: key.Name, Scopes: key.StoredScopes(), Hash: key.Hash[:], CreatedAt: time.Unix(1, 0), ExpiresAt: key.ExpiresAt,
		OrderPrefixes: apikey.JoinLimits(key.Limits.OrderPrefixes), Gateways: apikey.JoinLimits(key.Limits.Gateways),
	}
}

// The version before reads the scopes only, with the same ReadScopes.
func TestRow_KeyWithLimits_AllowsTheVersionBeforeNothing(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*apikey.Key){
		"prefix":  func(k *apikey.Key) { k.Limits.OrderPrefixes = []string{"shop1-"} },
		"gateway": func(k *apikey.Key) { k.Limits.Gateways = []string{"bank"} },
		"expiry":  func(k *apikey.Key) { k.ExpiresAt = time.Unix(2, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			every := apikey.Scopes{apikey.ScopePay, apikey.ScopeRefund, apikey.ScopeRead, apikey.ScopeAdmin}
			key, _ := apikey.New("shop", every)
			require.Equal(t, every.String(), key.StoredScopes())
			change(&key)
			row := rowOf(key)
			require.LessOrEqual(t, len(row.Scopes), 64, "the width of the column")
			require.False(t, apikey.ReadScopes(row.Scopes).Allow(every...))
			read, err := row.Key()
			require.NoError(t, err)
			require.Equal(t, every, read.Scopes)
			require.Equal(t, key.Limits, read.Limits)

			row.OrderPrefixes, row.Gateways, row.ExpiresAt = "", "", time.Time{} // by a step back of the schema
			_, err = row.Key()
			require.ErrorContains(t, err, "limits or an expiry, which are lost")
		})
	}
}

func TestActor_IsStorable(t *testing.T) {
	t.Parallel()
	require.Equal(t, "Åsa Öberg", apikey.Actor(" Åsa\n Öberg\x1b\xff"))
	require.LessOrEqual(t, len(apikey.Actor(strings.Repeat("😀", 500))), 255)
}
