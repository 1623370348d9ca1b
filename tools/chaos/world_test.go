package chaos_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
)

// world is the service with all that it needs, each a process, and a proxy on each connection
// between two of them.
type world struct {
	database *mysqltest.Server // nil where it is a group's
	gateway  *apptest.Process
	replicas []*apptest.Process
	links    []*toxiproxy.Proxy // to the database and to the gateway, from each replica
	doors    []*toxiproxy.Proxy // from the clients to each replica
	between  []*intermediary    // on the way from each replica to the gateway
}

// settings make the service quick to take over, so that a minute has room for many faults. They
// keep the proportions of the defaults.
var settings = map[string]string{
	"PAYMENTD_GATEWAY_NAME":      "chaos", // each replica reaches it by an address of its own
	"PAYMENTD_RETRY_DELAY":       "200ms",
	"PAYMENTD_GATEWAY_TIMEOUT":   "2s",
	"PAYMENTD_LEASE":             "6s",
	"PAYMENTD_WAIT":              "3s",
	"PAYMENTD_LATE":              "12s",
	"PAYMENTD_RECONCILE":         "500ms",
	"PAYMENTD_HEARTBEAT_TIMEOUT": "2s",
	"PAYMENTD_LOG_LEVEL":         "info",
}

func newWorld(t *testing.T) *world {
	t.Helper()
	database, err := mysqltest.Start(t.Context(), mysqltest.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, database.Stop()) })
	databaseURL, err := database.CreateDatabase(t.Context(), "paymentd")
	require.NoError(t, err)
	w := newService(t, slices.Repeat([]string{databaseURL}, replicas))
	w.database = database
	return w
}

// newService starts a gateway, and a replica on each of the databases: several ways to one.
func newService(t *testing.T, databaseURLs []string) *world {
	t.Helper()
	binary := apptest.Build(t)
	w := &world{gateway: apptest.Start(t, binary, nil, "sandbox")}
	w.gateway.WaitReady(t)
	for i, databaseURL := range databaseURLs {
		toDatabase := proxy(t, fmt.Sprint("database", i), address(databaseURL))
		toGateway := proxy(t, fmt.Sprint("gateway", i), address(w.gateway.URL))
		between := newIntermediary(t, "http://"+toGateway.Listen, *seed+uint64(i))
		w.between = append(w.between, between)
		env := map[string]string{
			"PAYMENTD_DATABASE": strings.Replace(databaseURL, address(databaseURL), toDatabase.Listen, 1),
			"PAYMENTD_GATEWAY":  between.URL,
		}
		maps.Copy(env, settings)
		replica := apptest.Start(t, binary, env, "serve")
		w.replicas = append(w.replicas, replica)
		w.links = append(w.links, toDatabase, toGateway)
		w.doors = append(w.doors, proxy(t, fmt.Sprint("replica", i), address(replica.URL)))
	}
	for _, r := range w.replicas {
		r.WaitReady(t)
	}
	return w
}

// address is the host:port of a URL.
func address(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	if _, after, found := strings.Cut(rest, "@"); found {
		rest = after
	}
	host, _, _ := strings.Cut(rest, "/")
	return host
}

func proxy(t *testing.T, name, upstream string) *toxiproxy.Proxy {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := toxiproxy.NewProxy(server, name, "127.0.0.1:0", upstream)
	require.NoError(t, p.Start())
	t.Cleanup(p.Stop)
	return p
}

// urls are where clients reach the replicas.
func (w *world) urls() []string {
	urls := make([]string, 0, len(w.doors))
	for _, door := range w.doors {
		urls = append(urls, "http://"+door.Listen)
	}
	return urls
}

// heal takes every fault away, and returns when every process serves again.
func (w *world) heal(t *testing.T) {
	t.Helper()
	for _, i := range w.between {
		i.sick.Store(false)
	}
	for _, p := range append(w.links, w.doors...) {
		p.Toxics.ResetToxics(t.Context())
	}
	for _, r := range w.replicas {
		r.WaitReady(t)
	}
	w.gateway.WaitReady(t)
}

// waitForCalm waits until the service has brought every payment to an end, without being asked.
func (w *world) waitForCalm(t *testing.T) {
	t.Helper()
	began := time.Now()
	apptest.Eventually(t, calmLimit, func() error {
		for _, state := range []string{"processing", "scheduled", "unresolved"} {
			a := apptest.Get(t.Context(), w.replicas[0].URL, "/payments?limit=1&state="+state)
			if a.Code != http.StatusOK || strings.Contains(a.Raw, "order_id") {
				return fmt.Errorf("payments are left %s: %v", state, a)
			}
		}
		return nil
	})
	t.Logf("every payment had an end %v after the last fault", time.Since(began).Round(time.Millisecond))
}
