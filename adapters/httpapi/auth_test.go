package httpapi_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/adapters/httpapi"
	"paymentd/core/apikey"
	"paymentd/core/keycache"
	"paymentd/ports"
)

var _ httpapi.Keys = (*keycache.Cache)(nil)

const (
	keyOfShop  = "pk-shop-0123456789abcdef"
	keyOfOther = "pk-other-0123456789abcde"
)

// counting stands for the metrics, which belong to another adapter.
var counting = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	_, _ = io.WriteString(w, "payments_total 1\n")
})

func panicking(http.ResponseWriter, *http.Request) { panic("x") }

// holders returns the authentication with keys of the configuration and of the repository.
func holders(t testing.TB, stored *fake.Keys, static ...string) httpapi.Keys {
	t.Helper()
	return cacheOf(t, stored, keycache.Settings{Static: func() []string { return static }})
}

func cacheOf(t testing.TB, stored *fake.Keys, s keycache.Settings) httpapi.Keys {
	t.Helper()
	cache := keycache.New(s, stored, slog.New(slog.DiscardHandler))
	require.NoError(t, cache.Load(t.Context()))
	return cache
}

// create creates a key in the repository, and returns it in full.
func create(t testing.TB, stored *fake.Keys, name apikey.Name, scopes ...apikey.Scope) (key apikey.Key, whole string) {
	t.Helper()
	key, secret := apikey.New(name, scopes)
	require.NoError(t, stored.Create(t.Context(), key))
	return key, secret.Reveal()
}

func TestAuth_OnlyKnownKey_IsAdmitted(t *testing.T) {
	t.Parallel()
	const opens, missing, unknown = "", `Bearer realm="paymentd"`, `Bearer realm="paymentd", error="invalid_token"`
	stored := fake.NewKeys()
	_, created := create(t, stored, "shop", apikey.ScopePay)
	_, revoked := create(t, stored, "former", apikey.ScopePay)
	_, err := stored.Revoke(t.Context(), "former", "ada")
	require.NoError(t, err)
	keys := holders(t, stored, keyOfShop, keyOfOther)
	for name, test := range map[string]struct {
		headers   []string
		challenge string
	}{
		"none":                 {nil, missing},
		"the first":            {[]string{"Authorization: Bearer " + keyOfShop}, opens},
		"the second":           {[]string{"Authorization: Bearer " + keyOfOther}, opens},
		"one that was created": {[]string{"Authorization: Bearer " + created}, opens},
		"one that was revoked": {[]string{"Authorization: Bearer " + revoked}, unknown},
		"scheme in lower case": {[]string{"Authorization: bearer " + keyOfShop}, opens},
		"more than one space":  {[]string{"Authorization: Bearer   " + keyOfShop}, opens},
		"a beginning of it":    {[]string{"Authorization: Bearer " + keyOfShop[:20]}, unknown},
		"half of a new one":    {[]string{"Authorization: Bearer " + created[:40]}, unknown},
		"more than it":         {[]string{"Authorization: Bearer " + keyOfShop + "0"}, unknown},
		"in another case":      {[]string{"Authorization: Bearer PK-SHOP-0123456789ABCDEF"}, unknown},
		"its hash":             {[]string{fmt.Sprintf("Authorization: Bearer %x", apikey.HashOf(keyOfShop))}, unknown},
		"empty":                {[]string{"Authorization: Bearer "}, missing},
		"without a scheme":     {[]string{"Authorization: " + keyOfShop}, missing},
		"of another scheme":    {[]string{"Authorization: Basic " + keyOfShop}, missing},
		"both at once":         {[]string{"Authorization: Bearer " + keyOfShop + "," + keyOfOther}, unknown},
		"given twice": {[]string{
			"Authorization: Bearer " + keyOfShop, "Authorization: Bearer " + keyOfShop,
		}, missing},
		"in another header": {[]string{"X-Api-Key: " + keyOfShop}, missing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t)
			o.Keys = keys
			p := answering(approved)
			s := serveWith(t, p, o)

			a := s.post(oneRequest, test.headers...)

			if test.challenge == opens {
				require.Equal(t, http.StatusOK, a.status)
				return
			}
			require.Equal(t, http.StatusUnauthorized, a.status)
			require.Equal(t, test.challenge, a.header.Get("WWW-Authenticate"))
			require.Contains(t, a.sentence(t), "API key")
			require.True(t, a.closes, "the rest of the request is not read")
			p.requireUntouched(t)
		})
	}
}

// Each route is tested with each scope.
func TestAuth_EveryRoute_RequiresItsScope(t *testing.T) {
	t.Parallel()
	stored := fake.NewKeys()
	headers := map[string]string{"nothing": "X-Key: none"}
	for _, scopes := range []apikey.Scopes{{"pay"}, {"read"}, {"admin"}, {"pay", "read"}, {"refund"}, {"capture"}, {"later"}} {
		_, text := create(t, stored, apikey.Name("k"+scopes.String()), scopes...)
		headers[scopes.String()] = "Authorization: Bearer " + text
	}
	headers["static"] = "Authorization: Bearer " + keyOfShop
	o := options(t)
	o.Keys, o.Metrics = holders(t, stored, keyOfShop), counting
	p := answering(approved)
	s := serveWith(t, p, o)
	for _, route := range []struct {
		method, path string
		opensTo      []string // alongside admin and static
		needs        string
		says         string
	}{
		{http.MethodPost, "/payments/process", []string{"pay", "pay,read"}, "pay", "the scope pay"},
		{http.MethodGet, "/payments", []string{"read", "pay,read"}, "read", "the scope read"},
		{http.MethodHead, "/payments", []string{"read", "pay,read"}, "read", ""},
		{http.MethodGet, "/payments/order-1", []string{"pay", "read", "pay,read", "refund", "capture"}, "read", "the scope read or pay or capture or refund"},
		{http.MethodHead, "/payments/order-1", []string{"pay", "read", "pay,read", "refund", "capture"}, "read", ""},
		{http.MethodGet, "/payments/process", []string{"pay", "read", "pay,read", "refund", "capture"}, "read", "the scope read or pay or capture or refund"},
		{http.MethodPost, "/payments/order-1/capture", []string{"capture"}, "capture", "the scope capture"},
		{http.MethodPost, "/payments/order-1/void", []string{"capture"}, "capture", "the scope capture"},
		{http.MethodPost, "/payments/order-1/refunds", []string{"refund"}, "refund", "the scope refund"},
		{http.MethodGet, "/payments/order-1/refunds", []string{"refund", "read", "pay,read"}, "read", "the scope read or refund"},
		{http.MethodHead, "/payments/order-1/refunds", []string{"refund", "read", "pay,read"}, "read", ""},
		{http.MethodGet, "/payments/order-1/refunds/r-1", []string{"refund", "read", "pay,read"}, "read", "the scope read or refund"},
		{http.MethodGet, "/metrics", []string{"read", "pay,read"}, "read", "the scope read"},
	} {
		opens := map[string]bool{"admin": true, "static": true}
		for _, scopes := range route.opensTo {
			opens[scopes] = true
		}
		for scopes, header := range headers {
			what := fmt.Sprint(route.method, " ", route.path, " with ", scopes)
			p.requests, p.refunds, p.holds, p.lookedUp, p.listed = nil, nil, nil, nil, nil
			a := s.request(route.method, route.path, oneRequest, "Content-Type: application/json", header)
			if opens[scopes] {
				require.NotContains(t, []int{401, 403, 503}, a.status, what)
				continue
			}
			p.requireUntouched(t)
			if scopes == "nothing" {
				require.Equal(t, http.StatusUnauthorized, a.status, what)
				continue
			}
			require.Equal(t, http.StatusForbidden, a.status, what)
			require.Equal(t, `Bearer realm="paymentd", error="insufficient_scope", scope="`+route.needs+`"`,
				a.header.Get("WWW-Authenticate"), what)
			if route.says != "" {
				require.Equal(t, "the API key may not do this; use one that has "+route.says, a.sentence(t))
			}
		}
	}
}

func TestAuth_Probes_NeedNoKey(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.Keys = holders(t, fake.NewKeys(), keyOfShop)
	p := answering(approved)
	s := serveWith(t, p, o)

	require.Equal(t, http.StatusUnauthorized, s.get("/payments").status)
	require.Equal(t, http.StatusUnauthorized, s.get("/payments/order-123").status)
	p.requireUntouched(t)
	for _, path := range []string{"/healthz", "/readyz", "/openapi.yaml", "/docs"} {
		require.Equal(t, http.StatusOK, s.get(path).status)
		require.Equal(t, http.StatusOK, s.get(path, "Authorization: Bearer wrong").status)
	}
	require.Equal(t, http.StatusOK, s.get("/payments", "Authorization: Bearer "+keyOfShop).status)
}

// A service that has not reached its database yet does not report a key as invalid.
func TestAuth_KeysNotLoaded_Returns503(t *testing.T) {
	t.Parallel()
	stored := fake.NewKeys()
	_, created := create(t, stored, "shop", apikey.ScopePay)
	stored.Fail(ports.ErrUnavailable)
	o := options(t)
	o.Keys, o.Metrics = holders(t, stored, keyOfShop), counting
	p := answering(approved)
	s := serveWith(t, p, o)

	for _, a := range []answer{
		s.post(oneRequest, "Authorization: Bearer "+created), s.get("/metrics", "Authorization: Bearer "+created),
	} {
		require.Equal(t, http.StatusServiceUnavailable, a.status)
		require.Equal(t, "2", a.header.Get("Retry-After"))
		require.Empty(t, a.header.Get("WWW-Authenticate"))
	}
	p.requireUntouched(t)
	require.Equal(t, http.StatusServiceUnavailable, s.get("/readyz").status)
	require.Equal(t, http.StatusUnauthorized, s.post(oneRequest).status)
	require.Equal(t, http.StatusUnauthorized, s.post(oneRequest, "Authorization: Bearer wrong").status)
	require.Equal(t, http.StatusOK, s.post(oneRequest, "Authorization: Bearer "+keyOfShop).status)
}

func TestRequestLog_Key_IsNamed(t *testing.T) {
	t.Parallel()
	stored := fake.NewKeys()
	key, created := create(t, stored, "shop", apikey.ScopePay)
	o := options(t)
	o.Keys = holders(t, stored, keyOfShop)
	s := serveWith(t, answering(approved), o)

	s.post(oneRequest, "Authorization: Bearer "+created)
	s.get("/payments", "Authorization: Bearer "+created)
	s.post(oneRequest, "Authorization: Bearer "+keyOfShop)
	s.post(oneRequest, "Authorization: Bearer "+keyOfOther)
	s.stop()

	lines := s.log.entries(t)
	require.Len(t, lines, 4)
	for i, want := range []struct {
		status   float64
		id, name any
	}{
		{200, string(key.ID), "shop"},
		{403, string(key.ID), "shop"},
		{200, string(apikey.Static(keyOfShop).ID), nil},
		{401, nil, nil},
	} {
		require.Equal(t, want.status, lines[i]["status"])
		require.Equal(t, want.id, lines[i]["api_key_id"])
		require.Equal(t, want.name, lines[i]["api_key"])
	}
	for _, text := range []string{created, keyOfShop, keyOfOther} {
		require.NotContains(t, s.log.lines.String(), text)
	}
}
