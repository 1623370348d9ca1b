package console_test

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"paymentd/adapters/console"
	"paymentd/adapters/fake"
	"paymentd/adapters/resilience"
	"paymentd/adapters/sqlitestore"
	"paymentd/core"
	"paymentd/core/apikey"
	"paymentd/core/keycache"
	"paymentd/core/payment"
	"paymentd/ports"
)

// site is the console of a service on a SQLite file and a fake gateway, as a browser sees it. Its queue does not run.
type site struct {
	t       *testing.T
	store   *sqlitestore.Payments
	gateway *fake.Gateway
	service *core.Service
	keys    *keycache.Cache
	log     *lockedBuffer
	url     string

	admin, reader string // API keys; empty if none is required
}

// lockedBuffer is a log that handlers write to at the same time.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// open starts a site that needs API keys.
func open(t *testing.T) *site {
	t.Helper()
	s := openWithoutKeys(t)
	s.admin = s.createKey("ada", apikey.ScopeAdmin)
	s.reader = s.createKey("rita", apikey.ScopeRead)
	return s
}

// openWithoutKeys starts a site on which no API key is required.
func openWithoutKeys(t *testing.T) *site {
	t.Helper()
	address := "sqlite:" + filepath.Join(t.TempDir(), "payments.db")
	schema, err := sqlitestore.Schema(address)
	require.NoError(t, err)
	require.NoError(t, schema.Up(t.Context()))
	store, err := sqlitestore.Open(address, sqlitestore.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	s := &site{t: t, store: store, gateway: fake.NewGateway(), log: new(lockedBuffer)}
	log := slog.New(slog.NewTextHandler(s.log, nil))
	var keys int
	s.service = core.New(core.Settings{
		Replica: "replica-a", NewKey: func() payment.GatewayKey { keys++; return payment.GatewayKey(fmt.Sprintf("key-%d", keys)) },
		Lease: 30 * time.Second, GatewayTimeout: time.Second, MaxBackoff: time.Second, Wait: time.Second, Late: time.Minute,
		PendingTimeout: time.Minute, LookupFirst: time.Hour, LookupMax: time.Hour, Workers: 1, Poll: time.Second, HeartbeatTimeout: time.Second,
	}, store, core.OneGateway(s.gateway, resilience.NewRetry(resilience.RetryOptions{})), log)
	s.keys = keycache.New(keycache.Settings{Open: true, Static: func() []string { return nil }}, store.Keys(), log)
	s.refreshKeys()
	s.serve(log, console.Options{})
	return s
}

// serve serves the console. Fields of o that are zero are set.
func (s *site) serve(log *slog.Logger, o console.Options) {
	s.t.Helper()
	o.Keys, o.APIKeys, o.Sessions = s.keys, s.store.Keys(), s.store.Sessions()
	o.Endpoints, o.Outbox, o.Acts = s.store.Endpoints(), s.store.Outbox(), s.store.AdminHistory()
	o.CheckEndpoint = func(*url.URL) error { return nil }
	o.ClientOf = func(*http.Request) netip.Addr { return netip.MustParseAddr("192.0.2.1") }
	o.AcceptHost = func(r *http.Request) bool { return strings.HasPrefix(r.Host, "127.0.0.1:") }
	o.Replica, o.Version, o.WriteTimeout, o.Log = "replica-a", "test", time.Minute, log
	o.Watched = console.Watched{
		Work: s.store, Traffic: console.NewTraffic(), Replicas: s.service.Replicas, HeartbeatTimeout: time.Minute,
		Gateways: func() []console.GatewayStatus { return nil },
	}
	e := echo.New()
	console.New(core.NewOperator(s.service, s.store), o).Routes(e)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.RawPath = r.URL.EscapedPath() // as the API does: the router uses the path as it was sent
		e.ServeHTTP(w, r)
	}))
	s.t.Cleanup(server.Close)
	s.url = server.URL
}

// refreshKeys makes changes of API keys known, as the service does every other second.
func (s *site) refreshKeys() {
	s.t.Helper()
	require.NoError(s.t, s.keys.Load(s.t.Context()))
}

func (s *site) createKey(name apikey.Name, scopes ...apikey.Scope) string {
	s.t.Helper()
	key, secret := apikey.New(name, scopes)
	require.NoError(s.t, s.store.Keys().Create(s.t.Context(), key))
	s.refreshKeys()
	return secret.Reveal()
}

// pay charges an order of 100.00 USD, with the given step of the gateway.
func (s *site) pay(id payment.OrderID, step fake.Step) payment.Payment {
	s.t.Helper()
	s.gateway.Script(id, step)
	_, err := s.service.Process(s.t.Context(), core.Request{OrderID: id, Money: usd(s.t, "100")})
	require.NoError(s.t, err)
	return s.find(id)
}

func (s *site) find(id payment.OrderID) payment.Payment {
	s.t.Helper()
	p, err := s.store.Find(s.t.Context(), id)
	require.NoError(s.t, err)
	return p
}

func (s *site) history(id payment.OrderID) ports.History {
	s.t.Helper()
	h, err := s.store.History(s.t.Context(), id)
	require.NoError(s.t, err)
	return h
}

func usd(t testing.TB, amount string) payment.Money {
	t.Helper()
	c, err := payment.ParseCurrency("USD")
	require.NoError(t, err)
	m, err := payment.ParseMoney(amount, c)
	require.NoError(t, err)
	return m
}

// browser is a client with cookies, which follows no redirects.
type browser struct {
	*site

	http *http.Client
	csrf string // of the latest page
}

// page is a response.
type page struct {
	status int
	header http.Header
	body   string
	text   string // of the body, without tags
}

func (s *site) browse() *browser {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(s.t, err)
	return &browser{site: s, http: &http.Client{
		Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DisableKeepAlives: true},
	}}
}

// as returns a browser that is signed in with a key.
func (s *site) as(key string) *browser {
	s.t.Helper()
	b := s.browse()
	b.get("/console/sign-in")
	signedIn := b.post("/console/sign-in", "key", key)
	require.Equal(s.t, http.StatusSeeOther, signedIn.status, signedIn.text)
	b.get("/console")
	return b
}

var (
	csrfInput = regexp.MustCompile(`name="csrf" value="([^"]+)"`)
	tags      = regexp.MustCompile(`<[^>]*>`)
	spaces    = regexp.MustCompile(`\s+`)
)

func (b *browser) do(method, path, body string, headers ...string) page {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, strings.NewReader(body))
	require.NoError(b.t, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	response, err := b.http.Do(r)
	require.NoError(b.t, err)
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	require.NoError(b.t, err)
	p := page{status: response.StatusCode, header: response.Header, body: string(content)}
	p.text = spaces.ReplaceAllString(html.UnescapeString(tags.ReplaceAllString(p.body, " ")), " ")
	if found := csrfInput.FindStringSubmatch(p.body); found != nil {
		b.csrf = found[1]
	}
	return p
}

func (b *browser) get(path string, headers ...string) page {
	b.t.Helper()
	return b.do(http.MethodGet, path, "", headers...)
}

// post sends a form of pairs of name and value, with the token of the latest page.
func (b *browser) post(path string, fields ...string) page {
	b.t.Helper()
	form := url.Values{"csrf": {b.csrf}}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return b.do(http.MethodPost, path, form.Encode())
}
