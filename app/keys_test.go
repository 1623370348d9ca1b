package app_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
)

// revokedWithin is the time after which every replica refuses a revoked key.
const revokedWithin = 5 * time.Second

// keysOf runs `paymentd keys` on the database of a service.
type keysOf struct {
	t         *testing.T
	variables env
}

func (k keysOf) run(args ...string) apptest.Output {
	k.t.Helper()
	return apptest.Run(k.t, apptest.Build(k.t), env{"PAYMENTD_DATABASE": k.variables["PAYMENTD_DATABASE"]}, append([]string{"keys"}, args...)...)
}

// create creates a key and returns it. Only the key is on the standard output.
func (k keysOf) create(name, scopes string) string {
	k.t.Helper()
	out := k.run("create", "--name="+name, "--scopes="+scopes)
	require.Zero(k.t, out.Code, out)
	require.Regexp(k.t, `^paymentd_[0-9A-Za-z]{49}\n$`, out.Stdout)
	key := strings.TrimSpace(out.Stdout)
	require.NotContains(k.t, out.Stderr, key)
	require.Regexp(k.t, `^The key `+name+`, with the id [0-9a-f]{12} and the scopes `+scopes+`\.`, out.Stderr)
	return key
}

func (k keysOf) revoke(idOrName string) {
	k.t.Helper()
	out := k.run("revoke", idOrName)
	require.Zero(k.t, out.Code, out)
}

// with sends a request to a replica, with a key unless it is empty.
func with(ctx context.Context, p *apptest.Process, key, method, path string) apptest.Answer {
	var headers []string
	if key != "" {
		headers = []string{"Authorization", "Bearer " + key}
	}
	if method == http.MethodPost {
		return apptest.Pay(ctx, p.URL, "order-1", "5.00", headers...)
	}
	return apptest.Get(ctx, p.URL, path, headers...)
}

// within waits until every replica answers the key with this status.
func within(t *testing.T, limit time.Duration, replicas []*apptest.Process, key string, status int) {
	t.Helper()
	apptest.Eventually(t, limit, func() error {
		for _, p := range replicas {
			if a := with(t.Context(), p, key, http.MethodGet, "/payments/order-1"); a.Code != status {
				return fmt.Errorf("%s answers %s", p.URL, a)
			}
		}
		return nil
	})
}

// TestKeys_CreateAndRevoke_OnEveryReplica uses two replicas that start without any key.
func TestKeys_CreateAndRevoke_OnEveryReplica(t *testing.T) {
	t.Parallel()

	variables := env{"PAYMENTD_DATABASE": mysqltest.Database(t), "PAYMENTD_GATEWAY": apptest.StartGateway(t).URL}
	replicas := []*apptest.Process{serve(t, variables), serve(t, variables)}
	keys := keysOf{t, variables}
	for _, p := range replicas {
		p.WaitLog(t, "there is no API key: every client that reaches this address may charge")
		require.Equal(t, http.StatusOK, with(t.Context(), p, "", http.MethodPost, "").Code)
	}

	shop, books, boss := keys.create("shop", "pay"), keys.create("books", "read"), keys.create("boss", "admin")
	within(t, revokedWithin, replicas, "", http.StatusUnauthorized)
	within(t, revokedWithin, replicas, boss, http.StatusOK)
	for _, p := range replicas {
		for _, route := range []struct {
			method, path string
			shop, books  int
		}{
			{http.MethodPost, "/payments/process", http.StatusOK, http.StatusForbidden},
			{http.MethodGet, "/payments/order-1", http.StatusOK, http.StatusOK},
			{http.MethodGet, "/payments", http.StatusForbidden, http.StatusOK},
			{http.MethodGet, "/metrics", http.StatusForbidden, http.StatusOK},
		} {
			for key, want := range map[string]int{
				"": http.StatusUnauthorized, shop: route.shop, books: route.books, boss: http.StatusOK,
				shop[:len(shop)-1]: http.StatusUnauthorized, "a-key-that-was-never-created": http.StatusUnauthorized,
			} {
				got := with(t.Context(), p, key, route.method, route.path)
				require.Equal(t, want, got.Code, "%s %s with %q: %s", route.method, route.path, key, got)
			}
		}
	}

	keys.revoke("shop")
	within(t, revokedWithin, replicas, shop, http.StatusUnauthorized)
	within(t, 0, replicas, boss, http.StatusOK)
	again := keys.create("shop", "pay") // the name of a revoked key may be reused
	within(t, revokedWithin, replicas, again, http.StatusOK)
	within(t, 0, replicas, shop, http.StatusUnauthorized)

	apptest.Eventually(t, time.Minute, func() error {
		list := keys.run("list").Stdout
		if !regexp.MustCompile(`(?m)^[0-9a-f]{12}  books  read    20\S+Z by \S+ +20\S+Z +never +never +-$`).MatchString(list) {
			return fmt.Errorf("no last use in\n%s", list)
		}
		return nil
	})
	for _, name := range []string{"shop", "books", "boss"} {
		keys.revoke(name)
	}
	within(t, revokedWithin, replicas, boss, http.StatusUnauthorized)
	replicas = append(replicas, serve(t, variables)) // a new replica requires a key as well
	within(t, 0, replicas, "", http.StatusUnauthorized)
	for _, p := range replicas {
		require.Zero(t, p.Stop(t))
		for _, key := range []string{shop, books, boss, again} {
			require.NotContains(t, p.Log(), key[len("paymentd_"):])
		}
	}
	require.Regexp(t, `"api_key_id":"[0-9a-f]{12}","api_key":"books"`, replicas[0].Log())
}

// TestKeys_Output covers the output of the command on both databases, while a service is under load.
func TestKeys_Output(t *testing.T) {
	t.Parallel()

	for name, database := range map[string]string{
		"mysql":  mysqltest.Database(t),
		"sqlite": "sqlite:" + filepath.Join(t.TempDir(), "paymentd.db"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			variables := env{"PAYMENTD_DATABASE": database, "PAYMENTD_GATEWAY": apptest.StartGateway(t).URL, "PAYMENTD_API_KEYS": "0123456789abcdef"}
			keys := keysOf{t, variables}
			none := keys.run("list")
			require.Equal(t, 1, none.Code)
			require.Contains(t, none.Stderr, "run `paymentd migrate up`")
			p := serve(t, variables)
			load, stop := context.WithCancel(t.Context())
			done := make(chan int)
			go func() {
				paid := 0
				for ; load.Err() == nil; paid++ {
					a := apptest.Pay(load, p.URL, fmt.Sprintf("order-%d", paid), "5.00", "Authorization", "Bearer 0123456789abcdef")
					if a.Code != http.StatusOK && load.Err() == nil {
						t.Error(a)
					}
				}
				done <- paid
			}()

			key := keys.create("shop", "pay,read")
			taken := keys.run("create", "--name=shop", "--scopes=pay")
			require.Equal(t, apptest.Output{Code: 1, Stderr: "paymentd: create API key: an active API key has this name: " +
				"revoke that one first, or choose another name\n"}, taken)
			list := keys.run("list")
			require.Zero(t, list.Code, list)
			require.NotContains(t, list.Stdout, key[len("paymentd_"):])
			require.Regexp(t, `(?s)^ID            NAME  SCOPES    CREATED +LAST USED  EXPIRES  REVOKED  LIMITS\n`+
				`[0-9a-f]{12}  shop  pay,read  20\S+Z by \S+(  never +){3}-\n$`, list.Stdout)
			id := list.Stdout[strings.Index(list.Stdout, "\n")+1:][:12]

			require.Equal(t, apptest.Output{
				Stdout: "shop, with the id " + id + ", is revoked\n",
				Stderr: "It was the last active key of the database: only the keys of the configuration are accepted " +
					"until another one is created with `paymentd keys create`.\n",
			}, keys.run("revoke", id))
			for _, called := range []string{"shop", id} {
				again := keys.run("revoke", called)
				require.Equal(t, 1, again.Code)
				require.Regexp(t, `^paymentd: revoke API key: the API key is revoked already: shop, with the id `+id+`, at 20\S+Z by \S+\n$`, again.Stderr)
			}
			unknown := keys.run("revoke", "ship")
			require.Equal(t, apptest.Output{Code: 1, Stderr: "paymentd: revoke API key: no API key has this id or name: " +
				"`paymentd keys list` shows those that there are\n"}, unknown)
			stop()
			require.NotZero(t, <-done)
		})
	}
}

// TestKeys_PublicAddress_RequiresAKey listens on an address that is not a loopback address.
func TestKeys_PublicAddress_RequiresAKey(t *testing.T) {
	t.Parallel()

	_, port, _ := strings.Cut(apptest.FreeAddress(t), ":")
	variables := env{
		"PAYMENTD_ADDR":     "0.0.0.0:" + port,
		"PAYMENTD_GATEWAY":  "sandbox:",
		"PAYMENTD_DATABASE": "sqlite:" + filepath.Join(t.TempDir(), "paymentd.db"),
	}
	refused := apptest.Run(t, apptest.Build(t), variables, "serve")
	require.Equal(t, 2, refused.Code, refused)
	require.Contains(t, refused.Stderr, "must be set to listen on 0.0.0.0:"+port)

	keys := keysOf{t, variables}
	shop := keys.create("shop", "pay") // the refused start created the tables
	p := serve(t, variables)
	require.Equal(t, http.StatusOK, with(t.Context(), p, shop, http.MethodPost, "").Code)
	require.Equal(t, http.StatusUnauthorized, with(t.Context(), p, "", http.MethodPost, "").Code)
	keys.revoke("shop")
	p = p.Restart(t)
	p.WaitReady(t) // a revoked key counts as a key that was created
	require.Equal(t, http.StatusUnauthorized, with(t.Context(), p, shop, http.MethodPost, "").Code)
	p.WaitLog(t, "there is no active API key: every request is refused")
}

// TestKeysFile_Changes_TakesEffect changes the keys file of a running service.
func TestKeysFile_Changes_TakesEffect(t *testing.T) {
	t.Parallel()

	const first, second = "0123456789-first", "0123456789-second"
	path := filepath.Join(t.TempDir(), "keys")
	require.NoError(t, os.WriteFile(path, []byte("# of the shop\n"+first+"\n"), 0o600))
	p := serve(t, env{"PAYMENTD_API_KEYS_FILE": path})
	require.Equal(t, http.StatusOK, with(t.Context(), p, first, http.MethodPost, "").Code)
	require.Equal(t, http.StatusUnauthorized, with(t.Context(), p, second, http.MethodPost, "").Code)

	require.NoError(t, os.WriteFile(path, []byte(second+"\n"), 0o600))
	within(t, revokedWithin, []*apptest.Process{p}, second, http.StatusOK)
	within(t, revokedWithin, []*apptest.Process{p}, first, http.StatusUnauthorized)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	p.WaitLog(t, "the API keys file is invalid; its previous keys remain valid")
	within(t, 0, []*apptest.Process{p}, second, http.StatusOK)
	require.NotContains(t, p.Log(), second)
}

// TestKeys_DatabaseDown covers an outage before the keys were first read, and one after.
func TestKeys_DatabaseDown(t *testing.T) {
	t.Parallel()

	database, url := privateDatabase(t)
	variables := env{"PAYMENTD_DATABASE": url, "PAYMENTD_GATEWAY": apptest.StartGateway(t).URL}
	require.Zero(t, apptest.Run(t, apptest.Build(t), variables, "migrate", "up").Code)
	shop := keysOf{t, variables}.create("shop", "pay")
	require.NoError(t, database.Kill())

	p := apptest.Start(t, apptest.Build(t), variables, "serve")
	p.WaitLog(t, "paymentd listens")
	for _, key := range []string{"", shop, "wrong"} { // whether there are keys is unknown
		a := with(t.Context(), p, key, http.MethodPost, "")
		require.Equal(t, http.StatusServiceUnavailable, a.Code, a)
		require.NotEmpty(t, a.Header.Get("Retry-After"))
		require.Contains(t, a.Body.Error, "nothing was charged by this request")
	}
	require.NoError(t, database.Restart(t.Context()))
	p.WaitReady(t)
	require.Equal(t, http.StatusUnauthorized, with(t.Context(), p, "", http.MethodPost, "").Code)
	require.Equal(t, http.StatusOK, with(t.Context(), p, shop, http.MethodPost, "").Code)

	require.NoError(t, database.Kill())
	p.WaitLog(t, "the API keys cannot be read from the database; those that are known stay in force")
	require.Equal(t, http.StatusServiceUnavailable, with(t.Context(), p, shop, http.MethodPost, "").Code)
	require.Equal(t, http.StatusForbidden, with(t.Context(), p, shop, http.MethodGet, "/payments").Code)
	require.Equal(t, http.StatusUnauthorized, with(t.Context(), p, "wrong", http.MethodPost, "").Code)
	require.NoError(t, database.Restart(t.Context()))
	p.WaitLog(t, "the API keys are read from the database again")
	require.Equal(t, http.StatusOK, with(t.Context(), p, shop, http.MethodPost, "").Code)
}
