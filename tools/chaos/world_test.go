package chaos_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
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

// world is the service with its database and gateways, each a process, and a proxy on each connection
// between them.
type world struct {
	database  *mysqltest.Server  // nil if it is a group
	gateways  []*apptest.Process // by gatewayNames
	replicas  []*apptest.Process
	backends  []*toxiproxy.Proxy // to the database and to the gateways, from each replica
	frontends []*toxiproxy.Proxy // from the clients to each replica
	between   []*intermediary    // between each replica and each gateway
}

// gatewayNames are the names of the gateways in the gateways file of each replica.
var gatewayNames = []string{"first", "second"}

// routes let payments of a small amount try the gateways in one order, and others in the reverse order.
const routes = `routes:
  - {amount_from: 1000.00, use: [second, first]}
  - {use: [first, second]}
`

// settings shorten the times of the service in the proportions of the defaults, so that many faults fit
// into a minute.
var settings = map[string]string{
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

// newService starts the gateways, and a replica for each URL of the one database.
func newService(t *testing.T, databaseURLs []string) *world {
	t.Helper()
	binary := apptest.Build(t)
	w := &world{}
	for range gatewayNames {
		w.gateways = append(w.gateways, apptest.Start(t, binary, nil, "sandbox"))
	}
	for _, g := range w.gateways {
		g.WaitReady(t)
	}
	files := w.gatewaysFiles(t, len(databaseURLs))
	for i, databaseURL := range databaseURLs {
		toDatabase := proxy(t, fmt.Sprint("database", i), address(databaseURL))
		w.backends = append(w.backends, toDatabase)
		env := map[string]string{
			"PAYMENTD_DATABASE":      strings.Replace(databaseURL, address(databaseURL), toDatabase.Listen, 1),
			"PAYMENTD_GATEWAYS_FILE": files[i],
		}
		maps.Copy(env, settings)
		replica := apptest.Start(t, binary, env, "serve")
		w.replicas = append(w.replicas, replica)
		w.frontends = append(w.frontends, proxy(t, fmt.Sprint("replica", i), address(replica.URL)))
	}
	for _, r := range w.replicas {
		r.WaitReady(t)
	}
	return w
}

// gatewaysFiles writes the gateways file of each replica, which reaches each gateway over a proxy and an intermediary of
// its own.
func (w *world) gatewaysFiles(t *testing.T, replicas int) (files []string) {
	t.Helper()
	addresses := make([][]string, len(w.gateways)) // of each gateway, by replica
	for replica := range replicas {
		for n, g := range w.gateways {
			number := replica*len(w.gateways) + n
			toGateway := proxy(t, fmt.Sprint("gateway", number), address(g.URL))
			between := newIntermediary(t, "http://"+toGateway.Listen, *seed+uint64(number))
			w.backends, w.between = append(w.backends, toGateway), append(w.between, between)
			addresses[n] = append(addresses[n], between.URL)
		}
	}
	for replica := range replicas {
		var text strings.Builder
		text.WriteString("gateways:\n")
		for n, name := range gatewayNames {
			fmt.Fprintf(&text, "  - {name: %s, kind: http, url: %q, moved_from: [%s], breaker_attempts: 10}\n",
				name, addresses[n][replica], `"`+strings.Join(addresses[n], `", "`)+`"`)
		}
		path := filepath.Join(t.TempDir(), "gateways.yaml")
		require.NoError(t, os.WriteFile(path, []byte(text.String()+routes), 0o600))
		files = append(files, path)
	}
	return files
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
	for _, g := range w.gateways {
		g.WaitReady(t)
	}
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
