package httpapi_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/adapters/httpapi"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/internal/leaktest"
	"paymentd/ports"
)

func TestMain(m *testing.M) {
	// net/http waits for half a second before it closes the connection of an invalid request, and
	// the server does not wait for that.
	leaktest.Main(m, "net/http.(*conn).closeWriteAndWait")
}

var _ httpapi.Processor = (*core.Service)(nil)

// processor calls its functions and records the requests.
type processor struct {
	process func(context.Context, core.Request) (core.Answer, error)
	refund  func(context.Context, core.Request) (core.Answer, error)
	hold    func(context.Context, core.Request) (core.Answer, error) // captures and voids
	payment func(context.Context, payment.OrderID) (payment.Payment, error)
	history func(context.Context, payment.OrderID) (ports.History, error)
	list    func(context.Context, ports.ListQuery) (ports.ListPage, error)
	ready   func(context.Context) error
	notify  func(context.Context, core.GatewayEvent) (core.Notified, error)

	mu       sync.Mutex
	requests []core.Request
	refunds  []core.Request
	holds    []core.Request // captures and voids
	lookedUp []payment.OrderID
	listed   []ports.ListQuery
}

func (p *processor) Process(ctx context.Context, r core.Request) (core.Answer, error) {
	p.mu.Lock()
	p.requests = append(p.requests, r)
	p.mu.Unlock()
	return p.process(ctx, r)
}

func (p *processor) Refund(ctx context.Context, r core.Request) (core.Answer, error) {
	p.mu.Lock()
	p.refunds = append(p.refunds, r)
	p.mu.Unlock()
	return p.refund(ctx, r)
}

func (p *processor) Capture(ctx context.Context, r core.Request) (core.Answer, error) {
	p.mu.Lock()
	p.holds = append(p.holds, r)
	p.mu.Unlock()
	return p.hold(ctx, r)
}

func (p *processor) Void(ctx context.Context, r core.Request) (core.Answer, error) {
	return p.Capture(ctx, r)
}

func (p *processor) Payment(ctx context.Context, id payment.OrderID) (payment.Payment, error) {
	if p.payment == nil {
		return payment.Payment{}, ports.ErrNotFound
	}
	return p.payment(ctx, id)
}

func (p *processor) History(ctx context.Context, id payment.OrderID) (ports.History, error) {
	p.mu.Lock()
	p.lookedUp = append(p.lookedUp, id)
	p.mu.Unlock()
	if p.history == nil {
		return ports.History{}, ports.ErrNotFound
	}
	return p.history(ctx, id)
}

func (p *processor) List(ctx context.Context, q ports.ListQuery) (ports.ListPage, error) {
	p.mu.Lock()
	p.listed = append(p.listed, q)
	p.mu.Unlock()
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

// requireUntouched requires that the core was not called.
func (p *processor) requireUntouched(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	require.Empty(t, p.requests)
	require.Empty(t, p.refunds)
	require.Empty(t, p.holds)
	require.Empty(t, p.lookedUp)
	require.Empty(t, p.listed)
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

var approved = core.Answer{State: payment.StateSucceeded, TransactionID: "txn-21408", Attempts: 1}

func options(t testing.TB) httpapi.Options {
	t.Helper()
	usd, err := payment.ParseCurrency("USD")
	require.NoError(t, err)
	return httpapi.Options{
		Keys: fake.OpenAccess{}, AllowedHosts: httpapi.Hosts{"x", "other.example", "example.com"}, Currency: usd, MaxRequests: 100, MaxHeaderBytes: 8 << 10,
		HeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 4 * time.Second, IdleTimeout: time.Minute,
	}
}

// logbook collects the lines of a JSON log.
type logbook struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (l *logbook) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.Write(line)
}

func (l *logbook) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (l *logbook) entries(t *testing.T) []map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var entries []map[string]any
	for line := range strings.Lines(l.lines.String()) {
		var entry map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &entry))
		entries = append(entries, entry)
	}
	return entries
}

// service is the API behind a real listener, and a client of it.
type service struct {
	t      *testing.T
	addr   string
	client *http.Client
	host   string // the host of requests instead of addr, unless empty
	log    *logbook
	// stop waits for the requests in flight, and their lines in the log.
	stop func()
}

func serve(t *testing.T, p httpapi.Processor) *service {
	t.Helper()
	return serveWith(t, p, options(t))
}

func serveWith(t *testing.T, p httpapi.Processor, o httpapi.Options) *service {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	log := &logbook{}
	server := httpapi.NewServer(httpapi.New(p, o, log.logger()), o, log.logger())
	served := make(chan error, 1)
	go func() { served <- httpapi.Serve(server, listener) }()
	transport := &http.Transport{DisableCompression: true}
	stop := sync.OnceFunc(func() {
		transport.CloseIdleConnections()
		require.NoError(t, server.Shutdown(context.Background()))
		require.ErrorIs(t, <-served, http.ErrServerClosed)
	})
	t.Cleanup(func() {
		_ = server.Close() // closes what a failed test left open
		stop()
	})
	return &service{
		t: t, addr: listener.Addr().String(), log: log, stop: stop,
		client: &http.Client{Transport: transport},
	}
}

// answer is a complete response.
type answer struct {
	status int
	header http.Header
	body   string
	closes bool // the connection is closed
}

const oneRequest = `{"order_id":"order-123","amount":100.00}`

// request sends a request with a header given as "Name: value" lines.
func (s *service) request(method, path, body string, header ...string) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.addr+path, strings.NewReader(body))
	require.NoError(s.t, err)
	r.Host = s.host
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	response, err := s.client.Do(r)
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
	return s.receive(s.dial(sent))
}

// rawAndStop requires that nothing follows the response.
func (s *service) rawAndStop(sent string) answer {
	s.t.Helper()
	conn := s.dial(sent)
	require.NoError(s.t, conn.CloseWrite())
	return s.receive(conn)
}

func (s *service) dial(sent string) *net.TCPConn {
	s.t.Helper()
	addr, err := net.ResolveTCPAddr("tcp", s.addr)
	require.NoError(s.t, err)
	conn, err := net.DialTCP("tcp", nil, addr)
	require.NoError(s.t, err)
	_, err = io.WriteString(conn, sent)
	require.NoError(s.t, err)
	return conn
}

func (s *service) receive(conn net.Conn) answer {
	s.t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(s.t, err)
	got := s.read(response)
	require.NoError(s.t, conn.Close())
	return got
}

func (s *service) read(response *http.Response) answer {
	s.t.Helper()
	body, err := io.ReadAll(response.Body)
	require.NoError(s.t, err)
	require.NoError(s.t, response.Body.Close())
	return answer{status: response.StatusCode, header: response.Header, body: string(body), closes: response.Close}
}

// requireBody compares bytes, because the order of the members and the spaces matter.
func (a answer) requireBody(t *testing.T, want string) {
	t.Helper()
	require.Equal(t, want, a.body)
}

// sentence returns the only member, error, of a response.
func (a answer) sentence(t *testing.T) string {
	t.Helper()
	require.Equal(t, "application/json", a.header.Get("Content-Type"))
	var body map[string]string
	require.NoError(t, json.Unmarshal([]byte(a.body), &body), a.body)
	require.Len(t, body, 1, a.body)
	require.NotEmpty(t, body["error"], a.body)
	return body["error"]
}

func jsonOf(v any) (string, error) {
	encoded, err := json.Marshal(v)
	return string(encoded), err
}
