package bench

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
	"paymentd/app/apptest/process"
)

const (
	scrapeEvery = time.Second
	unlimited   = "1000000/s" // more than any client here asks for
)

// harness is the environment of a run: a database server, a collector of traces, and a certificate.
type harness struct {
	options

	folder     string // of the certificate
	server     *mysqltest.Server
	db         *sql.DB          // for meters and audits
	serverPID  int              // 0 if it is not known
	collector  *httptest.Server // of traces; it discards them, because it shares the processors with what is measured
	traceBytes atomic.Int64
	ordered    atomic.Uint64 // ascending order ids so far
}

// newHarness starts a database server that flushes its log at every commit. It has more memory and a
// longer log than a test's server, which would write pages all the time.
func newHarness(t *testing.T, o options) *harness {
	t.Helper()
	h := &harness{options: o, folder: t.TempDir()}
	apptest.Certify(t, h.folder, time.Now().Add(24*time.Hour))
	h.collector = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		h.traceBytes.Add(n)
	}))
	t.Cleanup(h.collector.Close)
	var err error
	h.server, err = mysqltest.Start(t.Context(), mysqltest.Config{Args: []string{
		"--innodb-buffer-pool-size=" + o.bufferPool,
		"--loose-innodb-log-file-size=512M",      // of MariaDB
		"--loose-innodb-redo-log-capacity=512M",  // of MySQL
		"--innodb-monitor-enable=trx_rw_commits", // see the meter of commits
	}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.server.Stop()) })
	h.db = openDatabase(t, h.server.URL(""), true)
	var file string
	require.NoError(t, h.db.QueryRowContext(t.Context(), "SELECT @@pid_file").Scan(&file))
	text, _ := os.ReadFile(file) // in a container, there is none here
	_, _ = fmt.Sscan(string(text), &h.serverPID)
	return h
}

// openDatabase opens the database of a URL until the test ends. If tuned, the driver inserts values into
// statements, which then take one round trip; otherwise it prepares and closes each statement, its
// default.
func openDatabase(t *testing.T, databaseURL string, tuned bool) *sql.DB {
	t.Helper()
	u, err := url.Parse(databaseURL)
	require.NoError(t, err)
	config := mysql.NewConfig()
	config.User = u.User.Username()
	config.Passwd, _ = u.User.Password()
	config.Net, config.Addr, config.DBName = "tcp", u.Host, strings.TrimPrefix(u.Path, "/")
	config.InterpolateParams, config.ClientFoundRows, config.ParseTime = tuned, true, true
	connector, err := mysql.NewConnector(config)
	require.NoError(t, err)
	db := sql.OpenDB(connector)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func execute(t *testing.T, db *sql.DB, statement string, values ...any) {
	t.Helper()
	_, err := db.ExecContext(t.Context(), statement, values...)
	require.NoError(t, err, statement)
}

// setup is what a system is started with.
type setup struct {
	name     string // of the new database
	latency  time.Duration
	protocol string // of the gateway; the first one by default
	binary   string // of paymentd; empty for one that is built from this source
	full     bool   // with API keys, limits, scraped metrics and traces
}

// system is a replica with its gateway and its database.
type system struct {
	*harness
	setup

	database string // URL
	gateway  *apptest.Process
	replica  *apptest.Process
	apiKey   string // empty if none is needed
}

// start starts a gateway and a replica, which run until the test ends.
func (h *harness) start(t *testing.T, c setup) *system {
	t.Helper()
	if c.protocol == "" {
		c.protocol = h.gateway[0]
	}
	s := &system{harness: h, setup: c}
	var err error
	s.database, err = h.server.CreateDatabase(t.Context(), c.name)
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	env := map[string]string{gatewayProtocol: c.protocol, gatewayLatency: c.latency.String()}
	if c.protocol != plain {
		env["PAYMENTD_TLS_CERTIFICATE"], env["PAYMENTD_TLS_KEY"] = filepath.Join(h.folder, "tls.crt"), filepath.Join(h.folder, "tls.key")
	}
	s.gateway = apptest.Start(t, self, env, gatewayCommand)
	s.gateway.WaitReady(t)
	env = map[string]string{
		"PAYMENTD_DATABASE": s.database, "PAYMENTD_GATEWAY": s.gateway.URL,
		"SSL_CERT_FILE": filepath.Join(h.folder, process.AuthorityFile),
	}
	if c.full {
		env["PAYMENTD_LIMIT_PER_KEY"], env["PAYMENTD_LIMIT_PER_ADDRESS"] = unlimited, unlimited
		env["PAYMENTD_TRACES"] = h.collector.URL
		env["OTEL_TRACES_SAMPLER"], env["OTEL_TRACES_SAMPLER_ARG"] = "traceidratio", "0.1"
	}
	for _, set := range h.set {
		name, value, _ := strings.Cut(set, "=")
		env[name] = value
	}
	s.replica = apptest.Start(t, s.paymentd(t), env, "serve")
	s.replica.WaitReady(t)
	if c.full {
		s.createKey(t)
		go s.scrape(t.Context())
	}
	return s
}

// paymentd returns the path of the binary.
func (s *system) paymentd(t *testing.T) string {
	t.Helper()
	if s.binary != "" {
		return s.binary
	}
	return apptest.Build(t)
}

// createKey creates an API key, and waits until the replica demands one.
func (s *system) createKey(t *testing.T) {
	t.Helper()
	created := apptest.Run(t, s.paymentd(t), map[string]string{"PAYMENTD_DATABASE": s.database},
		"keys", "create", "--name=bench", "--scopes=admin")
	require.Zero(t, created.Code, created)
	apptest.Eventually(t, time.Minute, func() error {
		if apptest.Status(t.Context(), s.replica.URL+"/payments") == http.StatusOK {
			return fmt.Errorf("%s demands no API key", s.replica.URL)
		}
		return nil
	})
	s.apiKey = strings.TrimSpace(created.Stdout)
}

// scrape reads the metrics every second, as Prometheus does.
func (s *system) scrape(ctx context.Context) {
	for sleep(ctx, scrapeEvery) == nil {
		_ = s.get(ctx, s.replica.URL+"/metrics")
	}
}

func (s *system) get(ctx context.Context, address string) apptest.Answer {
	return apptest.Get(ctx, address, "", "Authorization", "Bearer "+s.apiKey)
}

// order returns a new order id, which begins with the name of the contender.
func (h *harness) order(contender string) string {
	n := rand.Uint64()
	if h.ascending {
		n = h.ordered.Add(1)
	}
	return fmt.Sprintf("%s-%016x", contender, n)
}
