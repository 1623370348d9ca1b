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

// world is the service with its database and gateway, each a process, and a proxy on each connection
// between them.
type world struct {
	database  *mysqltest.Server // nil if it is a group
	gateway   *apptest.Process
	replicas  []*apptest.Process
	backends  []*toxiproxy.Proxy // to the database and to the gateway, from each replica
	frontends []*toxiproxy.Proxy // from the clients to each replica
	between   []*intermediary    // between each replica and the gateway
}

// settings shorten the times of the service in the proportions of the defaults, so that many faults fit
// into a minute.
var settings = map[string]string{
	"PAYMENTD_GATEWAY_NAME":      "chaos", // each replica uses another address of the gateway
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

// newService starts a gateway, and a replica for each URL of the one database.
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
		w.backends = append(w.backends, toDatabase, toGateway)
		w.frontends = append(w.frontends, proxy(t, fmt.Sprint("replica", i), address(replica.URL)))
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

// urls returns the URLs of the replicas for clients.
func (w *world) urls() []string {
	urls := make([]string, 0, len(w.frontends))
	for _, frontend := range w.frontends {
		urls = append(urls, "http://"+frontend.Listen)
	}
	return urls
}

// heal removes every fault, and returns when every process is ready.
func (w *world) heal(t *testing.T) {
	t.Helper()
	for _, i := range w.between {
		i.faulty.Store(false)
	}
	for _, p := range append(w.backends, w.frontends...) {
		p.Toxics.ResetToxics(t.Context())
	}
	for _, r := range w.replicas {
		r.WaitReady(t)
	}
	w.gateway.WaitReady(t)
}

// waitUntilFinal waits until every payment is final. No client sends requests meanwhile.
func (w *world) waitUntilFinal(t *testing.T) {
	t.Helper()
	began := time.Now()
	apptest.Eventually(t, finalLimit, func() error {
		for _, state := range []string{"processing", "scheduled", "unresolved"} {
			a := apptest.Get(t.Context(), w.replicas[0].URL, "/payments?limit=1&state="+state)
			if a.Code != http.StatusOK || strings.Contains(a.Raw, "order_id") {
				return fmt.Errorf("there are %s payments: %v", state, a)
			}
		}
		return nil
	})
	t.Logf("every payment was final %v after the last fault", time.Since(began).Round(time.Millisecond))
}
