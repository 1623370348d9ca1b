package sandbox_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/sandbox"
)

// serve runs the server of a gateway on a free port, and returns its URL.
func serve(t *testing.T, g *sandbox.Gateway) (string, *http.Server) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := sandbox.NewServer(g)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		require.ErrorIs(t, <-done, http.ErrServerClosed)
	})
	return "http://" + listener.Addr().String(), server
}

// client keeps no connections, so that none is left after its test.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// post charges, and returns the answer's status, body and header.
func post(ctx context.Context, base, key, content string) (status int, body string, header http.Header, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/charges", strings.NewReader(content))
	if err != nil {
		return 0, "", nil, err
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	return do(req)
}

func get(ctx context.Context, url string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	status, body, _, err = do(req)
	return status, body, err
}

func do(req *http.Request) (status int, body string, header http.Header, err error) {
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	read, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(read), resp.Header, err
}

func dollars(amount string) string {
	return `{"order_id":"order-1","amount":"` + amount + `","currency":"USD"}`
}

// method is a body with a payment method.
func method(value string) string {
	return `{"order_id":"order-1","amount":"100.00","currency":"USD","payment_method":` + value + `}`
}

func TestHandler_Protocol(t *testing.T) {
	t.Parallel()
	base, _ := serve(t, open(t, ledgerPath(t)))
	tests := []struct {
		name, key, amount string
		status            int
		body              string
	}{
		{"approved", "key-1", "100.00", 200, `{"transaction_id":"txn-1","status":"succeeded"}`},
		{"approved before", "key-1", "100.00", 200, `{"transaction_id":"txn-1","status":"succeeded"}`},
		{"declined", "key-2", "9402.00", 402, `{"status":"declined","code":"card_declined","message":"the sandbox declines this amount"}`},
		{"rejected", "key-3", "9400.00", 400, `{"message":"the amount is one that the sandbox rejects","charged":false}`},
		{"another amount", "key-1", "100.01", 422, `{"code":"idempotency_key_reused","message":"the gateway key was used for another order, amount, currency, payment method, capture or void; take a new key"}`},
		{"one too many", "key-4", "9429.00", 429, `{"message":"too many requests","charged":false}`},
		{"one too many, again", "key-4", "9429.00", 200, `{"transaction_id":"txn-2","status":"succeeded"}`},
		{"fails", "key-5", "9500.00", 500, `{"message":"the amount is one that always fails"}`},
		{"fails, and is not charged", "key-7", "9502.00", 502, `{"message":"the amount is one that always fails","charged":false}`},
		{"fails once", "key-6", "9503.00", 503, `{"message":"the sandbox is out of service for once"}`},
		{"fails once, again", "key-6", "9503.00", 200, `{"transaction_id":"txn-3","status":"succeeded"}`},
	}
	for _, tt := range tests {
		status, body, header, err := post(t.Context(), base, tt.key, dollars(tt.amount))
		require.NoError(t, err, tt.name)
		require.Equal(t, tt.status, status, tt.name)
		require.JSONEq(t, tt.body, body, tt.name)
		require.Equal(t, "application/json", header.Get("Content-Type"), tt.name)
		require.Equal(t, []string{tt.key}, header["Idempotency-Key"], "the mark: %s", tt.name)
		require.Equal(t, tt.status == http.StatusTooManyRequests, header.Get("Retry-After") == "1", tt.name)
	}

	lookups := map[string]struct {
		status int
		body   string
	}{
		"key-1":     {200, `{"transaction_id":"txn-1","status":"succeeded"}`},
		"key-2":     {200, `{"status":"declined","code":"card_declined"}`},
		"key-3":     {404, `{"code":"not_found","message":"no charge has this key"}`},
		"no%2Fsuch": {404, `{"code":"not_found","message":"no charge has this key"}`},
	}
	for key, want := range lookups {
		status, body, err := get(t.Context(), base+"/charges/"+key)
		require.NoError(t, err)
		require.Equal(t, want.status, status, key)
		require.JSONEq(t, want.body, body, key)
	}

	status, body, err := get(t.Context(), base+"/ledger")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	lines := parseLedger(t, []byte(body))
	require.Len(t, lines, 4)
	require.Equal(t, "key-6", lines[3]["key"])

	status, _, err = get(t.Context(), base+"/healthz")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
}

func TestHandler_ProtocolErrors(t *testing.T) {
	t.Parallel()
	path := ledgerPath(t)
	base, _ := serve(t, open(t, path))
	tests := map[string]struct{ key, body, want string }{
		"no key":           {"", dollars("1.00"), "Idempotency-Key"},
		"space in the key": {"key 1", dollars("1.00"), "without spaces"},
		"long key":         {strings.Repeat("k", 256), dollars("1.00"), "at most 255 characters"},
		"no body":          {"key-1", "", "must be a JSON object"},
		"not JSON":         {"key-1", "amount=1", "must be a JSON object"},
		"cut":              {"key-1", dollars("1.00")[:20], "must be a JSON object"},
		"a number":         {"key-1", `{"order_id":"o","amount":1.00,"currency":"USD"}`, "must be a JSON object"},
		"unknown name":     {"key-1", `{"order_id":"o","amount":"1.00","curency":"USD"}`, "curency"},
		"more after it":    {"key-1", dollars("1.00") + "{}", "must end with its JSON object"},
		"no order":         {"key-1", `{"amount":"1.00","currency":"USD"}`, "order_id must not be empty"},
		"no amount":        {"key-1", `{"order_id":"o","currency":"USD"}`, "amount must"},
		"few decimals":     {"key-1", dollars("1.0"), "all the currency's decimals: 1.00"},
		"many decimals":    {"key-1", dollars("1.000"), "at most 2 decimals"},
		"zero":             {"key-1", dollars("0.00"), "above zero"},
		"no currency":      {"key-1", `{"order_id":"o","amount":"1.00"}`, "currency must"},
		"empty method":     {"key-1", method(`""`), "payment_method must not be empty"},
		"number method":    {"key-1", method(`7`), "must be a JSON object"},
		"card number":      {"key-1", method(`"4242424242424242"`), "not a card number"},
		"too long":         {"key-1", strings.Repeat(" ", 64<<10) + dollars("1.00"), "at most 65536 bytes"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, body, header, err := post(t.Context(), base, tt.key, tt.body)
			require.NoError(t, err)
			require.Equal(t, tt.key, header.Get("Idempotency-Key"))
			require.Equal(t, http.StatusBadRequest, status)
			require.Contains(t, body, tt.want)
			require.Empty(t, readLedger(t, path))
		})
	}
}

// The connection closes without a byte, and the charge is made.
func TestHandler_LostAnswerIsCharged(t *testing.T) {
	t.Parallel()
	base, _ := serve(t, open(t, ledgerPath(t)))
	_, _, _, err := post(t.Context(), base, "key-1", dollars("9504.00"))
	require.ErrorIs(t, err, io.EOF)
	_, body, err := get(t.Context(), base+"/charges/key-1")
	require.NoError(t, err)
	require.JSONEq(t, `{"transaction_id":"txn-1","status":"succeeded"}`, body)
}

// hang sends the charge that is never answered, and returns its connection.
func hang(t *testing.T, base string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	req, err := http.NewRequest(http.MethodPost, base+"/charges", strings.NewReader(dollars("9505.00")))
	require.NoError(t, err)
	req.Header.Set("Idempotency-Key", "key-1")
	require.NoError(t, req.Write(conn))
	return conn
}

func TestServer_ShutdownEndsCallsWithoutAnswer(t *testing.T) {
	t.Parallel()
	base, server := serve(t, open(t, ledgerPath(t)))
	conn := hang(t, base)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	_, err := conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "it must not answer")

	// Shutdown does not wait for the client's timeout.
	require.NoError(t, conn.SetReadDeadline(time.Time{}))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, server.Shutdown(ctx))
	_, err = bufio.NewReader(conn).ReadByte()
	require.ErrorIs(t, err, io.EOF)
}

// The answer of a proxy or a host has no mark, and does not follow the protocol.
func TestHandler_IntermediaryAnswersAreNotMarked(t *testing.T) {
	t.Parallel()
	base, _ := serve(t, open(t, ledgerPath(t)))
	for amount, want := range map[string]struct {
		status      int
		contentType string
		body        string
	}{
		"9462.00": {402, "text/plain", "Payment Required"},
		"9464.00": {404, "text/html", "404 Not Found"},
		"9563.00": {503, "text/plain", "upstream connect error"},
	} {
		status, body, header, err := post(t.Context(), base, "key-"+amount, dollars(amount))
		require.NoError(t, err)
		require.Equal(t, want.status, status)
		require.Contains(t, header.Get("Content-Type"), want.contentType)
		require.Contains(t, body, want.body)
		require.NotContains(t, header, "Idempotency-Key")
	}
}

// Answers to requests outside the protocol are marked as well.
func TestHandler_MarksEveryAnswer(t *testing.T) {
	t.Parallel()
	base, _ := serve(t, open(t, ledgerPath(t)))
	for _, tt := range []struct {
		method, path string
		keys         []string // of the header
		status       int
		marks        []string
	}{
		{http.MethodPost, "/charges", []string{"key-1"}, 400, []string{"key-1"}},
		{http.MethodPost, "/charges", []string{"key-1", "key-2"}, 400, []string{"key-1", "key-2"}},
		{http.MethodPost, "/charges", nil, 400, nil},
		{http.MethodPost, "/v1/charges", []string{"key-1"}, 404, []string{"key-1"}},
		{http.MethodPut, "/charges", []string{"key-1"}, 405, []string{"key-1"}},
		{http.MethodGet, "/charges/key-1", nil, 404, []string{"key-1"}},
		{http.MethodGet, "/charges/key-1", []string{"key-2"}, 404, []string{"key-1"}},
		{http.MethodDelete, "/charges/key-1", nil, 405, []string{"key-1"}},
		{http.MethodGet, "/charges/a%2Fb", nil, 404, []string{"a/b"}},
		{http.MethodGet, "/charges/", nil, 404, nil},
		{http.MethodPost, "/charges/key-1/voids", []string{"void-1"}, 400, []string{"void-1"}},
		{http.MethodPost, "/charges/a%2Fb/voids", nil, 400, nil},
		{http.MethodGet, "/charges/key-1/voids", nil, 405, nil},
		{http.MethodGet, "/charges/key-1/voids/a%2Fb", nil, 404, []string{"a/b"}},
		{http.MethodGet, "/v1/charges/key-1", nil, 404, nil},
		{http.MethodGet, "/healthz", nil, 200, nil},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tt.method, base+tt.path, http.NoBody)
		require.NoError(t, err)
		if tt.keys != nil {
			req.Header["Idempotency-Key"] = tt.keys
		}
		status, _, header, err := do(req)
		require.NoError(t, err)
		require.Equal(t, tt.status, status, "%s %s", tt.method, tt.path)
		require.Equal(t, tt.marks, header["Idempotency-Key"], "%s %s", tt.method, tt.path)
	}
}
