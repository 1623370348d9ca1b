package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/client"
)

// line is one exchange of a script: a response, or a network error.
type line struct {
	status int
	body   string
	header string // one "Name: value"
	err    error
}

// script is a transport with scripted responses, the last of them repeated.
type script struct {
	t     *testing.T
	lines []line
	sent  []string // method, path and body
	at    []time.Duration
	began time.Time
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	require.NoError(s.t, err)
	s.sent = append(s.sent, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+string(body)))
	s.at = append(s.at, time.Since(s.began))
	next := s.lines[0]
	if len(s.lines) > 1 {
		s.lines = s.lines[1:]
	}
	if next.err != nil {
		return nil, next.err
	}
	header := make(http.Header)
	if name, value, found := strings.Cut(next.header, ": "); found {
		header.Set(name, value)
	}
	return &http.Response{StatusCode: next.status, Header: header, Body: io.NopCloser(strings.NewReader(next.body))}, nil
}

func play(t *testing.T, lines ...line) (*client.Client, *script) {
	t.Helper()
	s := &script{t: t, lines: lines, began: time.Now()}
	c, err := client.New("http://pay.example/base/", client.WithHTTPClient(&http.Client{Transport: s}), client.WithAPIKey("key-of-the-shop"))
	require.NoError(t, err)
	return c, s
}

var (
	approved = line{status: 200, body: `{"status":"success","transaction_id":"txn-1"}`}
	busy     = line{status: 409, body: `{"error":"busy"}`, header: "Retry-After: 1"}
	away     = line{status: 503, body: `{"error":"away"}`, header: "Retry-After: 30"}
	later    = line{status: 202, body: `{"status":"scheduled","order_id":"order-1"}`, header: "Retry-After: 5"}
	lost     = line{err: errors.New("connection reset")}
)

const payment = `{"order_id":"order-1","amount":10.00}`

func inState(state, more string) line {
	return line{status: 200, body: `{"order_id":"order-1","state":"` + state + `"` + more + `}`}
}

var order = client.Payment{OrderID: "order-1", Amount: "10.00"}

// outcomes are what the server sends, and what the client returns.
var outcomes = map[string]struct {
	lines  []line
	result client.Result
	err    error
	asked  int
}{
	"approved": {[]line{approved}, client.Result{TransactionID: "txn-1"}, nil, 1},
	"replayed": {
		[]line{{200, approved.body, "Idempotent-Replayed: true", nil}},
		client.Result{TransactionID: "txn-1", Replayed: true},
		nil, 1,
	},
	"the network, twice": {[]line{lost, lost, approved}, client.Result{TransactionID: "txn-1"}, nil, 3},
	"busy, then away":    {[]line{busy, away, approved}, client.Result{TransactionID: "txn-1"}, nil, 3},
	"an intermediary":    {[]line{{status: 502, body: "<html>"}, {status: 504}, approved}, client.Result{TransactionID: "txn-1"}, nil, 3},
	"our own mistake":    {[]line{{status: 500, body: `{"error":"x"}`}, approved}, client.Result{TransactionID: "txn-1"}, nil, 2},
	"too many":           {[]line{{status: 429, header: "Retry-After: 2"}, approved}, client.Result{TransactionID: "txn-1"}, nil, 2},
	"declined": {
		[]line{{status: 402, body: `{"error":"Payment declined","code":"card_declined"}`}},
		client.Result{},
		&client.DeclinedError{OrderID: "order-1", Code: "card_declined"}, 1,
	},
	"failed": {
		[]line{{status: 502, body: `{"error":"Payment failed after maximum retries"}`}},
		client.Result{},
		&client.FailedError{OrderID: "order-1", Reason: "Payment failed after maximum retries"}, 1,
	},
	"mismatch": {[]line{{status: 422, body: `{"error":"x"}`}}, client.Result{}, &client.MismatchError{OrderID: "order-1"}, 1},
	"refused": {
		[]line{{status: 400, body: `{"error":"amount must be above zero"}`}},
		client.Result{},
		&client.RequestError{Status: 400, Sentence: "amount must be above zero"}, 1,
	},
	"no key that is known": {
		[]line{{status: 401, body: `{"error":"use another key"}`}},
		client.Result{},
		&client.RequestError{Status: 401, Sentence: "use another key"}, 1,
	},
	"a key that may not pay": {
		[]line{{status: 403, body: `{"error":"use another key"}`}},
		client.Result{},
		&client.RequestError{Status: 403, Sentence: "use another key"}, 1,
	},
	"not the service": {
		[]line{{status: 404, body: "nginx"}},
		client.Result{},
		&client.RequestError{Status: 404, Sentence: "the response is not from paymentd"}, 1,
	},
	"later, approved": {
		[]line{later, inState("scheduled", ""), busy, inState("processing", ""), inState("succeeded", `,"transaction_id":"txn-2"`)},
		client.Result{TransactionID: "txn-2"},
		nil, 5,
	},
	"later, declined": {
		[]line{later, inState("unresolved", ""), inState("declined", `,"code":"card_declined"`)},
		client.Result{},
		&client.DeclinedError{OrderID: "order-1", Code: "card_declined"}, 3,
	},
	"later, failed": {
		[]line{later, inState("failed", `,"reason":"r"`)},
		client.Result{},
		&client.FailedError{OrderID: "order-1", Reason: "r"}, 2,
	},
	"later, and the key revoked": {
		[]line{later, {status: 401, body: `{"error":"use another key"}`}},
		client.Result{},
		&client.UnfinishedError{
			OrderID: "order-1", Cause: &client.RequestError{Status: 401, Sentence: "use another key"},
		}, 2,
	},
}

func TestPay_EveryOutcome_IsReturned(t *testing.T) {
	t.Parallel()
	for name, test := range outcomes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, s := play(t, test.lines...)
				got, err := c.Pay(t.Context(), order)
				require.Equal(t, test.result, got)
				require.Equal(t, test.err, err)
				require.Len(t, s.sent, test.asked)
				for _, sent := range s.sent { // the same request each time
					require.Contains(t, []string{"POST /base/payments/process " + payment, "GET /base/payments/order-1"}, sent)
				}
			})
		})
	}
}

func TestPay_RetryAfter_IsHonoured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dated := line{status: 503, header: "Retry-After: " + time.Now().Add(100*time.Second).UTC().Format(http.TimeFormat)}
		c, s := play(t, away, dated, later, inState("succeeded", ""))
		_, err := c.Pay(t.Context(), order)
		require.NoError(t, err)
		require.Equal(t, []time.Duration{0, 30 * time.Second, 100 * time.Second, 105 * time.Second}, s.at)
	})
}

func TestPay_Retries_BackOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, s := play(t, lost, lost, lost, lost, lost, lost, lost, lost, lost, approved)
		_, err := c.Pay(t.Context(), order)
		require.NoError(t, err)
		turn := 250 * time.Millisecond
		for i := 1; i < len(s.at); i++ {
			waited := s.at[i] - s.at[i-1]
			require.GreaterOrEqual(t, waited, turn*3/4)
			require.LessOrEqual(t, waited, turn*5/4)
			turn = min(2*turn, 10*time.Second)
		}
	})
}

func TestPay_ContextCancelled_ReturnsUnfinished(t *testing.T) {
	t.Parallel()
	for name, lines := range map[string][]line{
		"no network": {lost}, "never free": {busy}, "never done": {later, inState("unresolved", "")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				c, s := play(t, lines...)
				_, err := c.Pay(ctx, order)
				var unfinished *client.UnfinishedError
				require.ErrorAs(t, err, &unfinished)
				require.Equal(t, "order-1", unfinished.OrderID)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, time.Minute, time.Since(s.began))
			})
		})
	}
}

func TestPay_InvalidAmount_ReturnsError(t *testing.T) {
	t.Parallel()
	c, s := play(t, approved)
	for _, amount := range []string{"", "ten", "1,00", "0x10", "NaN", `1","x":"`} {
		_, err := c.Pay(t.Context(), client.Payment{OrderID: "order-1", Amount: amount})
		require.EqualError(t, err, "the amount must be a decimal number such as 100.00", amount)
	}
	require.Empty(t, s.sent)
}

func TestGet_EveryResponse_IsReturned(t *testing.T) {
	t.Parallel()
	for id, path := range map[string]string{
		"order/1": "order%2F1", ".": "%2E", "..": "%2E%2E", "a?b#c%": "a%3Fb%23c%25", "process": "process",
	} {
		c, s := play(t, inState("succeeded", `,"created_at":"2026-03-04T12:00:00.000001Z"`))
		h, err := c.Get(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, []string{"GET /base/payments/" + path}, s.sent)
		require.Equal(t, client.StateSucceeded, h.State)
		require.Equal(t, time.Date(2026, 3, 4, 12, 0, 0, 1000, time.UTC), h.CreatedAt)
	}
	c, _ := play(t, line{status: 404, body: `{"error":"x"}`})
	_, err := c.Get(t.Context(), "order-1")
	require.ErrorIs(t, err, client.ErrNotFound)
	c, _ = play(t, line{status: 404, body: "nginx"})
	_, err = c.Get(t.Context(), "order-1")
	require.NotErrorIs(t, err, client.ErrNotFound)
}

// The error comes after all payments.
func TestList_UnreadableRows_AreReported(t *testing.T) {
	t.Parallel()
	c, _ := play(t,
		line{status: 200, body: `{"payments":[],"next_cursor":"x","unreadable":1,"unreadable_order_ids":["c"]}`},
		line{status: 200, body: `{"payments":[{"order_id":"b"}],"unreadable":1,"unreadable_order_ids":["a"]}`},
	)
	var got []string
	var last error
	for p, err := range c.List(t.Context(), client.Filter{}) {
		got, last = append(got, p.OrderID), err
	}
	require.Equal(t, []string{"b", ""}, got)
	var left *client.UnreadableError
	require.ErrorAs(t, last, &left)
	require.Equal(t, []string{"c", "a"}, left.OrderIDs)
	require.ErrorContains(t, last, "2 are left out")
}

func TestList_Pages_AreFetchedAsNeeded(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 4, 13, 0, 0, 0, time.FixedZone("", 3600))
	pages := []line{
		{status: 200, body: `{"payments":[{"order_id":"c"},{"order_id":"b"}],"next_cursor":"x"}`},
		{status: 200, body: `{"payments":[{"order_id":"a"}]}`},
	}
	c, s := play(t, pages...)
	var got []string
	for p, err := range c.List(t.Context(), client.Filter{
		States: []client.State{client.StateFailed, client.StateDeclined}, CreatedFrom: noon,
		CreatedBefore: noon.Add(time.Microsecond), PageSize: 2,
	}) {
		require.NoError(t, err)
		got = append(got, p.OrderID)
	}
	require.Equal(t, []string{"c", "b", "a"}, got)
	const query = "created_before=2026-03-04T12%3A00%3A00.000001Z&created_from=2026-03-04T12%3A00%3A00Z"
	require.Equal(t, []string{
		"GET /base/payments?" + query + "&limit=2&state=failed&state=declined",
		"GET /base/payments?" + query + "&cursor=x&limit=2&state=failed&state=declined",
	}, s.sent)

	c, s = play(t, pages...)
	for _, err := range c.List(t.Context(), client.Filter{}) {
		require.NoError(t, err)
		break
	}
	require.Len(t, s.sent, 1)

	c, _ = play(t, line{status: 400, body: `{"error":"limit"}`})
	for _, err := range c.List(t.Context(), client.Filter{PageSize: -1}) {
		require.Equal(t, &client.RequestError{Status: 400, Sentence: "limit"}, err)
	}
}

func TestNew_InvalidAddress_ReturnsError(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "localhost:3000", "ftp://x", "http://", "http://x?y=z", "http://\x00"} {
		_, err := client.New(address)
		require.Error(t, err, address)
	}
	_, err := client.New("http://x", client.WithBackoff(0, time.Second))
	require.Error(t, err)
}
