package console_test

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/console"
	"paymentd/adapters/fake"
	"paymentd/core/apikey"
)

// readPages are pages that need a person who may read.
var readPages = []string{
	"/console", "/console/waiting", "/console/waiting.csv", "/console/payments", "/console/payments.csv", "/console/payments/order-1",
	"/console/search", "/console/keys", "/console/nothing", "/console/",
}

// adminForms are forms that need a person who may act.
var adminForms = []string{"/console/confirm", "/console/act", "/console/keys", "/console/keys/revoke"}

func TestSignIn_PagesLeadThere(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.browse()
	for _, path := range readPages {
		got := b.get(path)
		require.Equal(t, http.StatusSeeOther, got.status, path)
		require.Equal(t, "/console/sign-in?next="+url.QueryEscape(path), got.header.Get("Location"))
		require.Equal(t, http.StatusUnauthorized, b.get(path, "Hx-Request", "true").status)
	}
	b.get("/console/sign-in")
	for _, path := range append([]string{"/console/payments/order-1"}, adminForms...) {
		got := b.post(path, "act", "lookup", "ref", "order-1")
		require.Equal(t, http.StatusSeeOther, got.status, path)
	}
}

func TestSignIn_WithAKeyThatMayRead(t *testing.T) {
	t.Parallel()
	s := open(t)
	payer := s.createKey("shop", apikey.ScopePay)
	for name, c := range map[string]struct {
		key    string
		status int
		text   string
	}{
		"admin":        {s.admin, http.StatusSeeOther, ""},
		"read":         {" " + s.reader + "\n", http.StatusSeeOther, ""},
		"pay only":     {payer, http.StatusForbidden, "may not read"},
		"unknown":      {"another-key-of-some-length", http.StatusUnauthorized, "unknown or revoked"},
		"cut short":    {s.admin[:30], http.StatusUnauthorized, "incomplete or mistyped"},
		"none":         {"", http.StatusUnauthorized, "incomplete or mistyped"},
		"a known hash": {string(apikey.HashOf(s.admin).ID()), http.StatusUnauthorized, "unknown or revoked"},
	} {
		b := s.browse()
		b.get("/console/sign-in")
		got := b.post("/console/sign-in", "key", c.key, "next", "/console/waiting?state=pending")
		require.Equal(t, c.status, got.status, name)
		require.Contains(t, got.text, c.text)
		if c.key != "" {
			require.NotContains(t, got.body, strings.TrimSpace(c.key), "no page has the key")
		}
		if c.status == http.StatusSeeOther {
			require.Equal(t, "/console/waiting?state=pending", got.header.Get("Location"))
			require.Equal(t, http.StatusOK, b.get("/console/waiting").status)
		}
	}
	require.NotContains(t, s.log.String(), s.admin)
	require.Contains(t, s.log.String(), `msg="signed in to the console"`)
	require.Contains(t, s.log.String(), "api_key=ada")
}

func TestSignIn_LeadsOnlyToTheConsole(t *testing.T) {
	t.Parallel()
	s := open(t)
	for next, want := range map[string]string{
		"/console/keys": "/console/keys", "/console": "/console", "": "/console", "//evil.example": "/console", "https://evil.example": "/console",
		"/console\\evil": "/console", "/consolefake": "/console", "/console/sign-out": "/console", "/payments": "/console",
	} {
		b := s.browse()
		b.get("/console/sign-in")
		require.Equal(t, want, b.post("/console/sign-in", "key", s.admin, "next", next).header.Get("Location"), next)
		s.serve(slog.New(slog.NewTextHandler(s.log, nil)), console.Options{}) // its limit starts afresh
	}
}

func TestSignIn_CookieIsStrict(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, withTLS := range []bool{false, true} {
		s.serve(slog.New(slog.NewTextHandler(s.log, nil)), console.Options{WithTLS: withTLS})
		got := s.browse().get("/console/sign-in")
		cookie := got.header.Get("Set-Cookie")
		for _, want := range []string{"Path=/console", "HttpOnly", "SameSite=Strict", "Max-Age=3600"} {
			require.Contains(t, cookie, want)
		}
		require.Equal(t, withTLS, strings.Contains(cookie, "Secure"))
	}
	b := s.as(s.admin)
	before := b.get("/console")
	require.Empty(t, before.header.Get("Set-Cookie"))
}

// The token of before is not that of the session, so that a token which another person knows is worth nothing.
func TestSignIn_MakesANewToken(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.serve(slog.New(slog.NewTextHandler(s.log, nil)), console.Options{})
	b := s.browse()
	before, _, _ := strings.Cut(b.get("/console/sign-in").header.Get("Set-Cookie"), ";")
	after, _, _ := strings.Cut(b.post("/console/sign-in", "key", s.admin).header.Get("Set-Cookie"), ";")
	require.NotEqual(t, before, after)
	other := s.browse()
	require.Equal(t, http.StatusSeeOther, other.get("/console", "Cookie", before).status)
	require.Equal(t, http.StatusOK, other.get("/console", "Cookie", after).status)
}

func TestSession_EndsWithItsKeyAndWhenSignedOut(t *testing.T) {
	t.Parallel()
	s := open(t)
	admin, reader := s.as(s.admin), s.as(s.reader)
	require.Equal(t, http.StatusOK, reader.get("/console").status)
	_, err := s.store.Keys().Revoke(t.Context(), "rita", "ada")
	require.NoError(t, err)
	s.refreshKeys()
	require.Equal(t, http.StatusSeeOther, reader.get("/console").status)

	require.Equal(t, http.StatusOK, admin.get("/console").status)
	copied := s.browse()
	copied.http.Jar = admin.http.Jar
	require.Equal(t, "/console/sign-in", admin.post("/console/sign-out").header.Get("Location"))
	require.Equal(t, http.StatusSeeOther, admin.get("/console").status)
	require.Equal(t, http.StatusSeeOther, copied.get("/console").status, "the session is deleted, not only the cookie")
}

// A session is known to every replica.
func TestSession_HoldsOnAnotherReplica(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.as(s.admin)
	cookie := b.http.Jar.Cookies(mustParse(t, s.url+"/console"))[0]
	s.serve(slog.New(slog.NewTextHandler(s.log, nil)), console.Options{})
	require.Equal(t, http.StatusOK, s.browse().get("/console", "Cookie", cookie.Name+"="+cookie.Value).status)
}

func TestSignIn_IsLimited(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.browse()
	b.get("/console/sign-in")
	for range 10 {
		require.Equal(t, http.StatusUnauthorized, b.post("/console/sign-in", "key", "wrong-key-of-some-length").status)
	}
	got := b.post("/console/sign-in", "key", s.admin)
	require.Equal(t, http.StatusTooManyRequests, got.status, "also with the right key")
	require.NotEmpty(t, got.header.Get("Retry-After"))
}

func TestForms_NeedTheirToken(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.pay("order-1", fake.Timeout())
	b, other := s.as(s.admin), s.as(s.admin)
	before := s.history("order-1")
	for name, token := range map[string]string{"none": "", "wrong": "x", "of another session": other.csrf} {
		for _, path := range append([]string{"/console/sign-out", "/console/payments/order-1"}, adminForms...) {
			got := b.do(http.MethodPost, path, url.Values{"csrf": {token}, "act": {"lookup"}, "ref": {"order-1"}, "name": {"x"}, "scope": {"admin"}}.Encode())
			require.Equal(t, http.StatusForbidden, got.status, "%s: %s", name, path)
		}
	}
	form := url.Values{"csrf": {b.csrf}, "act": {"lookup"}, "ref": {"order-1"}}.Encode()
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
		require.Equal(t, http.StatusForbidden, b.do(http.MethodPost, "/console/act", form, headers...).status, headers)
	}
	require.Equal(t, before.Events, s.history("order-1").Events)
	require.Equal(t, http.StatusSeeOther, b.do(http.MethodPost, "/console/act", form, "Sec-Fetch-Site", "same-origin").status)
}

func TestReader_MayOnlyRead(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.pay("order-1", fake.Timeout())
	b := s.as(s.reader)
	for _, path := range readPages {
		got := b.get(path)
		require.Contains(t, []int{http.StatusOK, http.StatusSeeOther, http.StatusNotFound}, got.status, path)
		require.NotContains(t, got.body, `action="/console/confirm"><`, path)
		require.NotContains(t, got.body, `action="/console/keys" class="stack"`, path)
	}
	before := s.history("order-1")
	for _, path := range adminForms {
		got := b.post(path, "act", "lookup", "ref", "order-1", "name", "mine", "scope", "admin", "id", "ada")
		require.Equal(t, http.StatusForbidden, got.status, path)
		require.Contains(t, got.text, "may only read")
	}
	require.Equal(t, before.Events, s.history("order-1").Events)
	keys, err := s.store.Keys().Active(t.Context())
	require.NoError(t, err)
	require.Len(t, keys.Keys, 2)
}

func TestPages_HaveStrictHeaders(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.as(s.admin)
	for _, path := range append(readPages, "/console/sign-in") {
		got := b.get(path)
		policy := got.header.Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'none'; script-src 'self'; style-src 'self';", path)
		require.NotContains(t, policy, "unsafe")
		require.Equal(t, "no-store", got.header.Get("Cache-Control"))
		require.NotContains(t, got.body, "style=", "the policy refuses it")
		require.NotContains(t, got.body, "<script>", "the policy refuses it")
		require.NotRegexp(t, `(src|href|action)="(https?:)?//`, got.body, "no request leaves the host")
	}
	for _, name := range []string{"console.css", "htmx.min.js", "hx-sse.min.js", "htmx.LICENSE.txt", "icon.svg"} {
		got := s.browse().get("/console/assets/" + name)
		require.Equal(t, http.StatusOK, got.status)
		require.Equal(t, http.StatusNotModified, s.browse().get("/console/assets/"+name, "If-None-Match", got.header.Get("Etag")).status)
	}
}

// Without keys everything is allowed, under the names of this machine only.
func TestWithoutKeys_NoSignIn(t *testing.T) {
	t.Parallel()
	s := openWithoutKeys(t)
	s.pay("order-1", fake.Timeout())
	b := s.browse()
	got := b.get("/console/payments/order-1")
	require.Equal(t, http.StatusOK, got.status)
	require.Contains(t, got.text, "No API key is required")
	require.Equal(t, http.StatusSeeOther, b.post("/console/act", "act", "lookup", "ref", "order-1").status)
	require.Equal(t, "console without keys", s.history("order-1").Events[0].Replica)
	require.Equal(t, http.StatusForbidden, b.do(http.MethodPost, "/console/act", "act=lookup&ref=order-1").status)
	for _, path := range append(readPages, "/console/assets/console.css") {
		require.Equal(t, http.StatusMisdirectedRequest, b.get(path, "Host", "evil.example").status, path)
	}
}

func mustParse(t testing.TB, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	return u
}

// The pages are about the orders of every key, so that a key with limits does not sign in. Nor does an expired one, with
// which a session ends.
func TestSignIn_LimitedOrExpiredKey_IsRefused(t *testing.T) {
	t.Parallel()
	s := open(t)
	for name, c := range map[string]struct {
		change func(*apikey.Key)
		status int
		want   string
	}{
		"limited": {func(k *apikey.Key) { k.Limits.OrderPrefixes = []string{"shop1-"} }, http.StatusForbidden, "is limited to some orders or gateways"},
		"expired": {func(k *apikey.Key) { k.ExpiresAt = time.Now().Add(-time.Minute) }, http.StatusUnauthorized, "has expired"},
	} {
		key, secret := apikey.New(apikey.Name(name), apikey.Scopes{apikey.ScopeAdmin})
		c.change(&key)
		require.NoError(t, s.store.Keys().Create(t.Context(), key))
		s.refreshKeys()
		b := s.browse()
		b.get("/console/sign-in")
		got := b.post("/console/sign-in", "key", secret.Reveal())
		require.Equal(t, c.status, got.status, name)
		require.Contains(t, got.text, c.want)
	}
}

func TestRoutes_WrongMethodOrPath(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.as(s.admin)
	require.Equal(t, "/console", b.get("/console/").header.Get("Location"))
	for _, test := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{http.MethodPut, "/console/keys", http.StatusMethodNotAllowed, "GET, HEAD, POST"},
		{http.MethodDelete, "/console/payments", http.StatusMethodNotAllowed, "GET, HEAD"},
		{http.MethodGet, "/console/act", http.StatusMethodNotAllowed, "POST"},
		{http.MethodPut, "/console/none", http.StatusNotFound, ""},
		{http.MethodGet, "/console/none/at/all", http.StatusNotFound, ""},
	} {
		got := b.do(test.method, test.path, "")
		require.Equal(t, test.status, got.status, "%s %s", test.method, test.path)
		require.Equal(t, test.allow, got.header.Get("Allow"))
	}
}
