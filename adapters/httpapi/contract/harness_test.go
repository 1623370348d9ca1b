package contract_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/adapters/httpapi"
	"paymentd/core"
	"paymentd/core/keycache"
	"paymentd/core/payment"
	"paymentd/ports"
)

const (
	problemMedia = "application/problem+json"
	oneRequest   = `{"order_id":"order-123","amount":100.00}`
	oneEvent     = `{"type":"charge.succeeded","order_id":"order-123","key":"019cb8a5-6d00-7000-8000-000000000001"}`
	keyOfShop    = "pk-shop-0123456789abcdef"
	keyOfOther   = "pk-other-0123456789abcde"
)

var (
	noon     = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	approved = core.Answer{State: payment.StateSucceeded, TransactionID: "txn-21408", Attempts: 1}
)

func at(d time.Duration) time.Time { return noon.Add(d) }

func money(t testing.TB, amount, code string) payment.Money {
	t.Helper()
	currency, err := payment.ParseCurrency(code)
	require.NoError(t, err)
	m, err := payment.ParseMoney(amount, currency)
	require.NoError(t, err)
	return m
}

// processor calls its functions. The zero value knows no payment.
type processor struct {
	process func(context.Context, core.Request) (core.Answer, error)
	refund  func(context.Context, core.Request) (core.Answer, error)
	hold    func(context.Context, core.Request) (core.Answer, error) // captures and voids
	payment func(context.Context, payment.OrderID) (payment.Payment, error)
	history func(context.Context, payment.OrderID) (ports.History, error)
	list    func(context.Context, ports.ListQuery) (ports.ListPage, error)
	ready   func(context.Context) error
	notify  func(context.Context, core.GatewayEvent) (core.Notified, error)
}

func (p *processor) Process(ctx context.Context, r core.Request) (core.Answer, error) {
	return p.process(ctx, r)
}

func (p *processor) Refund(ctx context.Context, r core.Request) (core.Answer, error) {
	return p.refund(ctx, r)
}

func (p *processor) Capture(ctx context.Context, r core.Request) (core.Answer, error) {
	return p.hold(ctx, r)
}

func (p *processor) Void(ctx context.Context, r core.Request) (core.Answer, error) {
	return p.hold(ctx, r)
}

func (p *processor) Payment(ctx context.Context, id payment.OrderID) (payment.Payment, error) {
	if p.payment == nil {
		return payment.Payment{}, ports.ErrNotFound
	}
	return p.payment(ctx, id)
}

func (p *processor) History(ctx context.Context, id payment.OrderID) (ports.History, error) {
	if p.history == nil {
		return ports.History{}, ports.ErrNotFound
	}
	return p.history(ctx, id)
}

func (p *processor) List(ctx context.Context, q ports.ListQuery) (ports.ListPage, error) {
	if p.list == nil {
		return ports.ListPage{}, nil
	}
	return p.list(ctx, q)
}

func (p *processor) Notify(ctx context.Context, e core.GatewayEvent) (core.Notified, error) {
	if p.notify == nil {
		return core.NotifiedDue, nil
	}
	return p.notify(ctx, e)
}

func (p *processor) Ready(ctx context.Context) error {
	if p.ready == nil {
		return nil
	}
	return p.ready(ctx)
}

// answering returns a processor that gives every request this answer, with the order and the operation of the
// request. Every payment is for 100.00 USD.
func answering(a core.Answer) *processor {
	respond := func(_ context.Context, r core.Request) (core.Answer, error) {
		a.OrderID, a.Operation = r.OrderID, r.Operation
		return a, nil
	}
	return &processor{process: respond, refund: respond, hold: respond, payment: paid}
}

// failing is the error of every request that charges or refunds.
func failing(err error) *processor {
	fail := func(context.Context, core.Request) (core.Answer, error) { return core.Answer{}, err }
	return &processor{process: fail, refund: fail, hold: fail, payment: paid}
}

func paid(_ context.Context, id payment.OrderID) (payment.Payment, error) {
	usd, err := payment.ParseCurrency("USD")
	if err != nil {
		return payment.Payment{}, err
	}
	hundred, err := payment.ParseMoney("100", usd)
	return payment.Payment{OrderID: id, Money: hundred, State: payment.StateSucceeded}, err
}

func knowing(h ports.History) *processor {
	return &processor{history: func(context.Context, payment.OrderID) (ports.History, error) { return h, nil }}
}

// keysOf returns the authentication with keys of the configuration and of the repository.
func keysOf(t testing.TB, stored *fake.Keys, static ...string) httpapi.Keys {
	t.Helper()
	return cacheOf(t, stored, keycache.Settings{Static: func() []string { return static }})
}

func cacheOf(t testing.TB, stored *fake.Keys, s keycache.Settings) httpapi.Keys {
	t.Helper()
	cache := keycache.New(s, stored, slog.New(slog.DiscardHandler))
	require.NoError(t, cache.Load(t.Context()))
	return cache
}

func options(t testing.TB) httpapi.Options {
	t.Helper()
	usd, err := payment.ParseCurrency("USD")
	require.NoError(t, err)
	return httpapi.Options{
		Keys: fake.OpenAccess{}, AllowedHosts: httpapi.Hosts{"x"}, Currency: usd, Metrics: counting, Gateways: bank,
		Events:      map[string]httpapi.EventReader{"bank": readEvent},
		MaxRequests: 100, MaxHeaderBytes: 8 << 10,
		HeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 4 * time.Second, IdleTimeout: time.Minute,
	}
}

// service is the API behind a real listener.
type service struct {
	t    *testing.T
	addr string
	host string // the host of requests instead of addr, unless empty
}

func serve(t *testing.T, p httpapi.Processor, o httpapi.Options) *service {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	log := slog.New(slog.DiscardHandler)
	server := httpapi.NewServer(httpapi.New(p, o, log), o, log)
	served := make(chan error, 1)
	go func() { served <- httpapi.Serve(server, listener) }()
	t.Cleanup(func() {
		require.NoError(t, server.Close())
		require.ErrorIs(t, <-served, http.ErrServerClosed)
	})
	return &service{t: t, addr: listener.Addr().String()}
}

// answer is a complete response.
type answer struct {
	status int
	header http.Header
	body   string
}

// request sends a request with a header given as "Name: value" lines, on a connection of its own.
func (s *service) request(method, path, body string, header ...string) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.addr+path, strings.NewReader(body))
	require.NoError(s.t, err)
	r.Host = s.host
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(r)
	require.NoError(s.t, err)
	return s.read(response)
}

func (s *service) get(path string, header ...string) answer {
	s.t.Helper()
	return s.request(http.MethodGet, path, "", header...)
}

func (s *service) post(body string, header ...string) answer {
	s.t.Helper()
	header = append(header, "Content-Type: application/json")
	return s.request(http.MethodPost, "/payments/process", body, header...)
}

// raw sends bytes that no client library would send, and returns the first response.
func (s *service) raw(sent string) answer {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	require.NoError(s.t, err)
	defer func() { require.NoError(s.t, conn.Close()) }()
	_, err = io.WriteString(conn, sent)
	require.NoError(s.t, err)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(s.t, err)
	return s.read(response)
}

func (s *service) read(response *http.Response) answer {
	s.t.Helper()
	body, err := io.ReadAll(response.Body)
	require.NoError(s.t, err)
	require.NoError(s.t, response.Body.Close())
	return answer{status: response.StatusCode, header: response.Header, body: string(body)}
}
