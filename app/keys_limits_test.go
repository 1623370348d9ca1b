package app_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
)

// secretOf returns the key that a command printed.
func secretOf(t *testing.T, out apptest.Output) string {
	t.Helper()
	require.Zero(t, out.Code, out)
	require.Regexp(t, `^paymentd_[0-9A-Za-z]{49}\n$`, out.Stdout)
	return strings.TrimSpace(out.Stdout)
}

// Two shops share a service, each with a key that is limited to its own orders.
func TestKeys_Limits_SeparateShops(t *testing.T) {
	t.Parallel()

	variables := env{"PAYMENTD_DATABASE": mysqltest.Database(t), "PAYMENTD_GATEWAY": apptest.StartGateway(t).URL}
	p := serve(t, variables)
	keys := keysOf{t, variables}
	create := func(name string, limits ...string) string {
		return secretOf(t, keys.run(append([]string{"create", "--name=" + name, "--scopes=pay,read,refund", "--by=ada"}, limits...)...))
	}
	shop1, shop2 := create("shop1", "--order-prefix=shop1-"), create("shop2", "--order-prefix=shop2-", "--order-prefix=s2-")
	elsewhere := create("elsewhere", "--gateway=another", "--order-prefix=shop1-")
	within(t, revokedWithin, []*apptest.Process{p}, elsewhere, http.StatusForbidden)

	pay := func(key, order string) apptest.Answer {
		return apptest.Pay(t.Context(), p.URL, order, "5.00", "Authorization", "Bearer "+key)
	}
	get := func(key, path string) apptest.Answer {
		return apptest.Get(t.Context(), p.URL, path, "Authorization", "Bearer "+key)
	}
	require.Equal(t, http.StatusOK, pay(shop1, "shop1-1").Code)
	require.Equal(t, http.StatusOK, pay(shop2, "s2-1").Code)
	for _, refused := range []apptest.Answer{pay(shop1, "s2-1"), pay(shop2, "shop1-1"), get(shop2, "/payments/shop1-1"), get(shop1, "/metrics")} {
		require.Equal(t, http.StatusForbidden, refused.Code, refused)
		require.Contains(t, refused.Body.Error, "the API key is limited to ")
	}
	list := get(shop1, "/payments")
	require.Equal(t, http.StatusOK, list.Code)
	require.Contains(t, list.Raw, `"shop1-1"`)
	require.NotContains(t, list.Raw, "s2-1")
	other := get(elsewhere, "/payments/shop1-1")
	require.Equal(t, http.StatusForbidden, other.Code)
	require.Contains(t, other.Body.Error, "limited to the gateways another, and the payment is at another one")
	require.Contains(t, pay(elsewhere, "shop1-2").Body.Error, "the routes lead this payment to http")
	require.Regexp(t, `(?m)shop2 .*Z by ada  .* orders shop2-\* s2-\*$`, keys.run("list").Stdout)
}

// A key is refused from its expiry on, with a sentence, and a rotated key once its overlap is over.
func TestKeys_ExpireAndRotate(t *testing.T) {
	t.Parallel()

	variables := env{"PAYMENTD_DATABASE": "sqlite:" + filepath.Join(t.TempDir(), "paymentd.db"), "PAYMENTD_GATEWAY": apptest.StartGateway(t).URL}
	p := serve(t, variables)
	keys := keysOf{t, variables}
	stays := keys.create("stays", "pay,read")
	expires := secretOf(t, keys.run("create", "--name=expires", "--scopes=admin", "--expires=6s"))
	require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-1", "5.00", "Authorization", "Bearer "+stays).Code)
	within(t, revokedWithin, []*apptest.Process{p}, expires, http.StatusOK)

	file := filepath.Join(t.TempDir(), "new.key")
	rotated := keys.run("rotate", "stays", "--overlap=4s", "--by=bob", "--out="+file)
	require.Zero(t, rotated.Code, rotated)
	require.Empty(t, rotated.Stdout)
	require.Regexp(t, `^The key stays, with the id [0-9a-f]{12} and the scopes pay,read\. It takes the place of [0-9a-f]{12}, which stays valid until 20\S+Z\.`, rotated.Stderr)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	next := strings.TrimSpace(string(text))
	within(t, revokedWithin, []*apptest.Process{p}, next, http.StatusOK)
	within(t, 10*time.Second, []*apptest.Process{p}, stays, http.StatusUnauthorized)

	within(t, 10*time.Second, []*apptest.Process{p}, expires, http.StatusUnauthorized)
	require.Equal(t, "the API key has expired; use another one", with(t.Context(), p, expires, http.MethodGet, "/payments/order-1").Body.Error)
	within(t, 0, []*apptest.Process{p}, next, http.StatusOK)

	needs := keys.run("rotate", "expires")
	require.Equal(t, 2, needs.Code, needs)
	require.Contains(t, needs.Stderr, "--expires: is missing: the key expires, and its successor would not")
	require.Equal(t, 1, keys.run("rotate", "unknown").Code)
	revoked := keys.run("revoke", "stays", "--by=eve")
	require.Zero(t, revoked.Code, revoked)
	require.Regexp(t, `(?m)^[0-9a-f]{12}  stays .*Z by bob .*Z by eve`, keys.run("list").Stdout)
}

func TestKeys_WrongFlags_AreRefused(t *testing.T) {
	t.Parallel()

	folder := t.TempDir()
	run := func(args ...string) apptest.Output { return apptest.RunIn(t, folder, apptest.Build(t), nil, args...) }
	require.Zero(t, run("migrate", "up").Code)
	create := []string{"keys", "create", "--name=shop", "--scopes=pay"}
	for flag, want := range map[string]string{
		"--expires=yesterday":          "must be a duration, such as 90d or 12h, a date",
		"--expires=2020-01-01":         "must be in the future",
		"--expires=-1h":                "must be a duration",
		"--expires=0d":                 "must be a duration",
		"--expires=9999-01-01":         "must be within 100 years",
		"--order-prefix=":              "must not be empty",
		"--order-prefix=a b":           "must consist of at most 128 printable ASCII characters",
		"--gateway=":                   "must not be empty",
		"--out=/nowhere/at/all/a.key":  "cannot be created",
		"--order-prefix=" + "förstå-1": "printable ASCII",
	} {
		out := run(append(create, flag)...)
		require.Equal(t, 2, out.Code, "%s: %s", flag, out)
		require.Contains(t, out.Stderr, want, flag)
	}
	require.NotContains(t, run("keys", "list").Stdout, "shop")
	require.Zero(t, run(append(create, "--expires=2099-12-31T08:00:00+02:00", "--out=a.key")...).Code)
	require.Regexp(t, `2099-12-31T06:00:00Z`, run("keys", "list").Stdout)
	for _, overlap := range []string{"91d", "-1s", "x", ""} {
		require.Equal(t, 2, run("keys", "rotate", "shop", "--overlap="+overlap).Code, overlap)
	}
	now := run("keys", "rotate", "shop", "--overlap=0s", "--expires=1d", "--out=b.key")
	require.Zero(t, now.Code, now)
	require.Contains(t, now.Stderr, "which is refused")
	again := run("keys", "rotate", "shop", "--expires=1d", "--out=b.key")
	require.Equal(t, 2, again.Code, again)
	require.Contains(t, again.Stderr, "--out: b.key exists already")
}
