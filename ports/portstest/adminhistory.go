package portstest

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/admin"
	"paymentd/core/apikey"
	"paymentd/core/endpoint"
	"paymentd/ports"
)

// Administered is a repository whose keys and endpoints record what people do.
type Administered struct {
	Keys      ports.Keys
	Endpoints ports.Endpoints
	Acts      ports.AdminHistory
}

// AdminHistory checks that a repository keeps the contract of ports.AdminHistory. open returns a new, empty
// repository, and registers its removal with t.Cleanup.
func AdminHistory(t *testing.T, open func(t testing.TB) Administered) {
	t.Helper()
	for name, check := range map[string]func(*testing.T, Administered){
		"acts on keys are recorded":          recordsKeys,
		"acts on endpoints are recorded":     recordsEndpoints,
		"a delivery is no act":               recordsNoDelivery,
		"what changes nothing is no act":     recordsNoRefusals,
		"an act of its own is recorded once": recordsOnce,
		"pages are in order":                 pagesOfActs,
		"the longest fields are kept":        recordsLongFields,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, open(t))
		})
	}
}

// acts returns the acts on a subject, or all, the oldest first if no two have the same time.
func (r Administered) acts(t *testing.T, subject string) (acts []admin.Act) {
	t.Helper()
	acts, err := r.Acts.List(t.Context(), ports.AdminQuery{Subject: subject, Limit: 1000})
	require.NoError(t, err)
	for i := range acts {
		require.WithinDuration(t, time.Now(), acts[i].At, time.Minute)
		if i > 0 {
			require.False(t, acts[i].At.After(acts[i-1].At), "newest first")
		}
	}
	return acts
}

func kindsOf(acts []admin.Act) (kinds []admin.Kind) {
	for _, a := range acts {
		kinds = append(kinds, a.Kind)
	}
	return kinds
}

func recordsKeys(t *testing.T, r Administered) {
	t.Helper()
	key, secret := apikey.New("shop", apikey.Scopes{apikey.ScopePay})
	key.CreatedBy, key.Limits.OrderPrefixes = "ada", []string{"shop-"}
	for range 2 { // it is safe to repeat
		require.NoError(t, r.Keys.Create(t.Context(), key))
	}
	next, _ := apikey.New("", nil)
	next.CreatedBy = "grace"
	for range 2 {
		_, _, err := r.Keys.Rotate(t.Context(), string(key.ID), next, time.Hour)
		require.NoError(t, err)
	}
	_, err := r.Keys.Revoke(t.Context(), string(key.ID), "linus\n")
	require.NoError(t, err)

	acts := r.acts(t, string(key.ID))
	require.Equal(t, []admin.Kind{admin.KeyRevoked, admin.KeyRotated, admin.KeyCreated}, kindsOf(acts))
	require.Equal(t, "linus", acts[0].By)
	require.Equal(t, []admin.Difference{{Name: "state", Before: "active", After: "revoked"}}, acts[0].Differences())
	require.Equal(t, "grace", acts[1].By)
	require.Equal(t, string(next.ID), acts[1].After["successor"])
	require.Empty(t, acts[1].Before["expires"])
	require.NotEmpty(t, acts[1].After["expires"])
	require.Equal(t, "ada", acts[2].By)
	require.Empty(t, acts[2].Before)
	require.Equal(t, admin.Fields{"name": "shop", "scopes": "pay", "limits": "orders shop-*", "state": "active"}, acts[2].After)

	created := r.acts(t, string(next.ID))
	require.Equal(t, []admin.Kind{admin.KeyCreated}, kindsOf(created))
	require.Equal(t, string(key.ID), created[0].After["replaces"])
	all := r.acts(t, "")
	require.Len(t, all, 4)
	for _, a := range all {
		require.NotContains(t, string(a.After.Encode()), secret.Reveal())
	}
}

func recordsEndpoints(t *testing.T, r Administered) {
	t.Helper()
	e := endpoint.New("https://shop.example/hook", endpoint.Patterns{"payment.*"})
	e.CreatedBy = "ada"
	require.NoError(t, r.Endpoints.Create(t.Context(), e))
	for _, change := range []endpoint.Change{
		{State: endpoint.StateDisabled},
		{State: endpoint.StateDisabled},
		{State: endpoint.StateActive},
		{Secret: endpoint.NewSecret(), Overlap: time.Hour},
		{State: endpoint.StateDeleted},
	} {
		change.By = "grace"
		_, err := r.Endpoints.Change(t.Context(), e.ID, change)
		require.NoError(t, err)
	}
	acts := r.acts(t, string(e.ID))
	require.Equal(t, []admin.Kind{
		admin.EndpointDeleted, admin.EndpointRotated, admin.EndpointEnabled, admin.EndpointDisabled, admin.EndpointCreated,
	}, kindsOf(acts), "a repeat changes nothing")
	require.Equal(t, "ada", acts[4].By)
	require.Equal(t, admin.Fields{"url": "https://shop.example/hook", "events": "payment.*", "state": "active"}, acts[4].After)
	require.Equal(t, "grace", acts[3].By)
	require.Equal(t, []admin.Difference{{Name: "state", Before: "active", After: "disabled"}}, acts[3].Differences())
	for _, a := range acts {
		require.NotContains(t, string(a.Before.Encode())+string(a.After.Encode()), "whsec_")
	}
}

func recordsNoDelivery(t *testing.T, r Administered) {
	t.Helper()
	e := endpoint.New("https://shop.example/hook", endpoint.Patterns{"*"})
	require.NoError(t, r.Endpoints.Create(t.Context(), e))
	_, err := r.Endpoints.Change(t.Context(), e.ID, endpoint.Change{Attempted: true, Failed: true})
	require.NoError(t, err)
	require.Len(t, r.acts(t, string(e.ID)), 1)
}

func recordsNoRefusals(t *testing.T, r Administered) {
	t.Helper()
	key, _ := apikey.New("shop", apikey.Scopes{apikey.ScopePay})
	require.NoError(t, r.Keys.Create(t.Context(), key))
	other, _ := apikey.New("shop", apikey.Scopes{apikey.ScopePay})
	require.ErrorIs(t, r.Keys.Create(t.Context(), other), ports.ErrKeyNameTaken)
	_, err := r.Keys.Revoke(t.Context(), "unknown", "ada")
	require.ErrorIs(t, err, ports.ErrNoSuchKey)
	_, err = r.Keys.Revoke(t.Context(), "shop", "ada")
	require.NoError(t, err)
	_, err = r.Keys.Revoke(t.Context(), string(key.ID), "ada")
	require.ErrorIs(t, err, ports.ErrKeyRevoked)
	require.Len(t, r.acts(t, ""), 2)
}

func recordsOnce(t *testing.T, r Administered) {
	t.Helper()
	act := admin.ReplayEvents("ep_1", "", time.Unix(1000, 0), true, "ada")
	for range 2 {
		require.NoError(t, r.Acts.Record(t.Context(), act))
	}
	acts := r.acts(t, "ep_1")
	require.Len(t, acts, 1)
	act.At, act.Before = acts[0].At, admin.Fields{}
	require.Equal(t, act, acts[0])
}

func pagesOfActs(t *testing.T, r Administered) {
	t.Helper()
	for range 5 {
		require.NoError(t, r.Acts.Record(t.Context(), admin.ReplayEvents("ep_1", "evt_1", time.Time{}, false, "ada")))
		require.NoError(t, r.Acts.Record(t.Context(), admin.ReplayEvents("ep_2", "evt_1", time.Time{}, false, "ada")))
	}
	for subject, want := range map[string]int{"": 10, "ep_1": 5, "ep_3": 0} {
		q := ports.AdminQuery{Subject: subject, Limit: 3}
		var paged []admin.Act
		for {
			page, err := r.Acts.List(t.Context(), q)
			require.NoError(t, err)
			require.LessOrEqual(t, len(page), 3)
			if paged = append(paged, page...); len(page) == 0 {
				break
			}
			q.Before, q.BeforeID = page[len(page)-1].At, page[len(page)-1].ID
		}
		require.Len(t, paged, want)
		for i, act := range r.acts(t, subject) {
			require.Equal(t, act, paged[i])
		}
	}
}

func recordsLongFields(t *testing.T, r Administered) {
	t.Helper()
	key, _ := apikey.New(apikey.Name(strings.Repeat("n", 64)), apikey.Scopes{apikey.ScopePay})
	key.CreatedBy = strings.Repeat("😀", 100)
	for i := range apikey.MaxLimits {
		key.Limits.OrderPrefixes = append(key.Limits.OrderPrefixes, strings.Repeat("<", 127)+string(rune('a'+i)))
		key.Limits.Gateways = append(key.Limits.Gateways, strings.Repeat("&", 254)+string(rune('a'+i)))
	}
	require.NoError(t, r.Keys.Create(t.Context(), key))
	acts := r.acts(t, string(key.ID))
	require.Len(t, acts, 1)
	require.Equal(t, key.Limits.String(), acts[0].After["limits"])
	require.Equal(t, apikey.Actor(key.CreatedBy), acts[0].By)
}
