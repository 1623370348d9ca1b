package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

func money(t testing.TB, amount, code string) payment.Money {
	t.Helper()
	currency, err := payment.ParseCurrency(code)
	require.NoError(t, err)
	m, err := payment.ParseMoney(amount, currency)
	require.NoError(t, err)
	return m
}

// processResponses are responses by the answer of the core.
var processResponses = []struct {
	name   string
	answer core.Answer
	status int
	body   string
	header map[string]string
}{
	{
		"approved", approved,
		200, `{"status":"success","transaction_id":"txn-21408"}`,
		map[string]string{"Idempotent-Replayed": "", "Location": "", "Retry-After": ""},
	},
	{
		"replayed",
		core.Answer{State: payment.StateSucceeded, TransactionID: "txn-21408", Replayed: true},
		200, `{"status":"success","transaction_id":"txn-21408"}`,
		map[string]string{"Idempotent-Replayed": "true"},
	},
	{
		"characters that HTML would escape",
		core.Answer{State: payment.StateSucceeded, TransactionID: `<a&b>"\`},
		200, `{"status":"success","transaction_id":"<a&b>\"\\"}`, nil,
	},
	{
		"declined",
		core.Answer{State: payment.StateDeclined, Code: "card_declined", Reason: "secret"},
		402, `{"error":"Payment declined","code":"card_declined"}`,
		map[string]string{"Retry-After": "", "Idempotent-Replayed": ""},
	},
	{
		"declined by another request's attempt",
		core.Answer{State: payment.StateDeclined, Code: "card_declined", Replayed: true},
		402, `{"error":"Payment declined","code":"card_declined"}`,
		map[string]string{"Idempotent-Replayed": ""},
	},
	{
		"declined without a code",
		core.Answer{State: payment.StateDeclined},
		402, `{"error":"Payment declined"}`, nil,
	},
	{
		"retries exhausted",
		core.Answer{State: payment.StateFailed, Code: payment.CodeRetriesExhausted, Reason: "r"},
		502, `{"error":"Payment failed after maximum retries"}`,
		map[string]string{"Retry-After": ""},
	},
	{
		"rejected",
		core.Answer{State: payment.StateFailed, Code: payment.CodeRejected, Reason: "r"},
		502, `{"error":"The payment gateway rejected the request"}`, nil,
	},
	{
		"unresolved",
		core.Answer{State: payment.StateUnresolved, RetryAfter: 5 * time.Second},
		202, `{"status":"unresolved","order_id":"order-123"}`,
		map[string]string{"Location": "/payments/order-123", "Retry-After": "5", "Preference-Applied": ""},
	},
	{
		"unresolved, part of a second from now",
		core.Answer{State: payment.StateUnresolved, RetryAfter: 1001 * time.Millisecond},
		202, `{"status":"unresolved","order_id":"order-123"}`,
		map[string]string{"Retry-After": "2"},
	},
	{
		"scheduled by a server that stops",
		core.Answer{State: payment.StateScheduled},
		202, `{"status":"scheduled","order_id":"order-123"}`,
		map[string]string{"Location": "/payments/order-123", "Retry-After": "1", "Preference-Applied": ""},
	},
	{
		"scheduled as asked",
		core.Answer{State: payment.StateScheduled, Async: true},
		202, `{"status":"scheduled","order_id":"order-123"}`,
		map[string]string{"Location": "/payments/order-123", "Preference-Applied": "respond-async"},
	},
	{
		"no end",
		core.Answer{State: payment.StateProcessing},
		500, `{"error":"internal error; it is safe to retry the same request"}`,
		nil,
	},
}

// Every response, byte for byte.
func TestProcess_Response_ByteForByte(t *testing.T) {
	t.Parallel()
	for _, test := range processResponses {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := serve(t, answering(test.answer)).post(oneRequest)
			require.Equal(t, test.status, got.status)
			require.Equal(t, test.body, got.body)
			require.Equal(t, "application/json", got.header.Get("Content-Type"))
			require.Equal(t, "no-store", got.header.Get("Cache-Control"))
			require.Equal(t, "Accept, Prefer", got.header.Get("Vary"))
			for name, want := range test.header {
				require.Equal(t, want, got.header.Get(name), name)
			}
		})
	}
}

func TestProcess_Error_IsMapped(t *testing.T) {
	t.Parallel()
	const (
		again    = "; send the same request again: an order is charged once only"
		internal = "internal error; it is safe to retry the same request"
	)
	tests := []struct {
		name       string
		err        error
		status     int
		sentence   string
		retryAfter string
	}{
		{"a value", &payment.FieldError{Field: "amount", Message: "amount must be smaller"}, 400, "amount must be smaller", ""},
		{
			"busy", core.ErrBusy, 409,
			"another request is processing this payment; send the same request again later", "1",
		},
		{
			"mismatch", core.ErrMismatch, 422,
			"the order is known with another amount, currency or capture; repeat those, or use a new order_id", "",
		},
		{
			"no database", ports.ErrUnavailable, 503,
			"the database is not available; nothing was charged by this request; send it again later", "2",
		},
		{
			"in doubt", ports.ErrInDoubt, 503,
			"the connection to the database was lost before it confirmed that this request was stored" + again, "2",
		},
		{
			"in doubt, and then no database", errors.Join(ports.ErrUnavailable, ports.ErrInDoubt), 503,
			"the connection to the database was lost before it confirmed that this request was stored" + again, "2",
		},
		{"cut short", context.DeadlineExceeded, 503, "the service stopped waiting before the payment was decided" + again, "1"},
		{"cancelled by us", context.Canceled, 503, "the service stopped waiting before the payment was decided" + again, "1"},
		{"unknown", errors.New("password is hunter2"), 500, internal, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, err := range []error{test.err, fmt.Errorf("claim payment: %w", test.err)} {
				got := serve(t, failing(err)).post(oneRequest)
				require.Equal(t, test.status, got.status)
				require.Equal(t, test.sentence, got.sentence(t))
				require.Equal(t, test.retryAfter, got.header.Get("Retry-After"))
			}
		})
	}
}

func TestProcess_Request_IsPassedOn(t *testing.T) {
	t.Parallel()
	usd := money(t, "100", "USD")
	tests := []struct {
		body string
		want core.Request
	}{
		{oneRequest, core.Request{OrderID: "order-123", Money: usd}},
		{`{"amount":100,"order_id":"order-123"}`, core.Request{OrderID: "order-123", Money: usd}},
		{"\r\n\t {\"order_id\" : \"order-123\" ,\n\"amount\":\"100.0\"} \n", core.Request{OrderID: "order-123", Money: usd}},
		{`{"order_id":"o","amount":"0.01","currency":"USD"}`, core.Request{OrderID: "o", Money: money(t, "0.01", "USD")}},
		{`{"order_id":"o","amount":7,"currency":"JPY"}`, core.Request{OrderID: "o", Money: money(t, "7", "JPY")}},
		{`{"order_id":"o","amount":1.234,"currency":"KWD"}`, core.Request{OrderID: "o", Money: money(t, "1.234", "KWD")}},
		{`{"order_id":"o","amount":9999999999999.99}`, core.Request{OrderID: "o", Money: money(t, "9999999999999.99", "USD")}},
		{`{"\u006frder_id":"\u006f","amount":"\u0031"}`, core.Request{OrderID: "o", Money: money(t, "1", "USD")}},
		{`{"order_id":"<&>\"\\/%../~","amount":1}`, core.Request{OrderID: `<&>"\/%../~`, Money: money(t, "1", "USD")}},
	}
	for _, test := range tests {
		t.Run(test.body, func(t *testing.T) {
			t.Parallel()
			p := answering(approved)
			require.Equal(t, 200, serve(t, p).post(test.body).status)
			require.Equal(t, []core.Request{test.want}, p.requests)
		})
	}
}

func TestProcess_OptionalHeaders_AreAccepted(t *testing.T) {
	t.Parallel()
	for _, header := range [][]string{
		{"Content-Type: application/json"},
		{"Content-Type: application/json;"},
		{"Content-Type: Application/JSON; Charset=UTF-8"},
		{`Content-Type: application/json;charset="utf-8"`},
		{"Content-Type: application/json", "Content-Encoding: identity"},
		{"Content-Type: application/json", "Content-Encoding: Identity"},
		{"Content-Type: application/json", "Content-Encoding: "},
		{"Content-Type: application/json", "Accept: image/png"},
		{"Content-Type: application/json", "Expect: 100-continue"},
	} {
		p := answering(approved)
		got := serve(t, p).request(http.MethodPost, "/payments/process", oneRequest, header...)
		require.Equal(t, 200, got.status, header)
		require.Len(t, p.requests, 1)
	}
}

func TestProcess_LargestBody_IsAccepted(t *testing.T) {
	t.Parallel()
	p := answering(approved)
	s := serve(t, p)
	padded := fmt.Sprintf("%-65536s", oneRequest)
	require.Equal(t, 200, s.post(padded).status)
	require.Equal(t, 413, s.post(padded+" ").status)
	require.Len(t, p.requests, 1)
}

func TestProcess_Location_IsThePayment(t *testing.T) {
	t.Parallel()
	locations := map[payment.OrderID]string{
		"order-123":      "/payments/order-123",
		"order/1":        "/payments/order%2F1",
		"../x":           "/payments/..%2Fx",
		"...":            "/payments/...",
		"%":              "/payments/%25",
		"%2F":            "/payments/%252F",
		"a?b#c":          "/payments/a%3Fb%23c",
		"a;b,c":          "/payments/a%3Bb%2Cc",
		"a+b&c=d":        "/payments/a+b&c=d",
		`"<>\^{|}` + "`": "/payments/%22%3C%3E%5C%5E%7B%7C%7D%60",
		"process":        "/payments/process",
		"*":              "/payments/%2A",
		"http://x:80":    "/payments/http:%2F%2Fx:80",
	}
	for id, want := range locations {
		t.Run(string(id), func(t *testing.T) {
			t.Parallel()
			p := answering(core.Answer{State: payment.StateUnresolved})
			p.history = func(context.Context, payment.OrderID) (ports.History, error) {
				return ports.History{Payment: payment.Payment{OrderID: id, Money: money(t, "1", "USD")}}, nil
			}
			s := serve(t, p)
			body, err := jsonOf(map[string]string{"order_id": string(id), "amount": "1"})
			require.NoError(t, err)
			accepted := s.post(body)
			require.Equal(t, 202, accepted.status, accepted.body)
			require.Equal(t, want, accepted.header.Get("Location"))
			found := s.get(accepted.header.Get("Location"))
			require.Equal(t, 200, found.status, found.body)
			require.Equal(t, []payment.OrderID{id}, p.lookedUp)
		})
	}
}

func TestProcess_Prefer(t *testing.T) {
	t.Parallel()
	seconds := func(n int) *time.Duration { d := time.Duration(n) * time.Second; return &d }
	tests := []struct {
		name    string
		prefer  []string
		wait    *time.Duration
		async   bool
		applied string
	}{
		{"none", nil, nil, false, ""},
		{"wait", []string{"wait=7"}, seconds(7), false, "wait=7"},
		{"fail at once", []string{"wait=0"}, seconds(0), false, "wait=0"},
		{"the most", []string{"wait=60"}, seconds(60), false, "wait=60"},
		{"more than the most", []string{"wait=61"}, seconds(60), false, "wait=60"},
		{"more than an int", []string{"wait=99999999999999999999999"}, seconds(60), false, "wait=60"},
		{"zeros in front", []string{"wait=007"}, seconds(7), false, "wait=7"},
		{"quoted", []string{`wait="7"`}, seconds(7), false, "wait=7"},
		{"upper case, spaces", []string{"  WAIT = 7 "}, seconds(7), false, "wait=7"},
		{"parameters", []string{`wait=7; foo="a,b;c"; bar`}, seconds(7), false, "wait=7"},
		{"among others", []string{`return=minimal, foo="x\", wait=1", wait=7, handling=strict`}, seconds(7), false, "wait=7"},
		{"in a second header", []string{"return=minimal", "wait=7"}, seconds(7), false, "wait=7"},
		{"twice", []string{"wait=7, wait=8", "wait=9"}, seconds(7), false, "wait=7"},
		{"the first is malformed", []string{"wait=x, wait=8"}, nil, false, ""},
		{"no value", []string{"wait"}, nil, false, ""},
		{"empty value", []string{"wait="}, nil, false, ""},
		{"negative", []string{"wait=-1"}, nil, false, ""},
		{"signed", []string{"wait=+1"}, nil, false, ""},
		{"fraction", []string{"wait=1.5"}, nil, false, ""},
		{"unit", []string{"wait=5s"}, nil, false, ""},
		{"other digits", []string{"wait=٣"}, nil, false, ""},
		{"half a quote", []string{`wait="5`}, nil, false, ""},
		{"lost in a quote", []string{`foo=", wait=5`}, nil, false, ""},
		{"empty elements", []string{",, ,wait=7,;,"}, seconds(7), false, "wait=7"},
		{"another name", []string{"waiting=5, await=5"}, nil, false, ""},
		{"async", []string{"respond-async"}, nil, true, "respond-async"},
		{"async, empty value", []string{`Respond-Async=""; x=y`}, nil, true, "respond-async"},
		{"async, with a value", []string{"respond-async=false"}, nil, false, ""},
		{"both", []string{"respond-async, wait=5"}, seconds(5), true, "respond-async"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := &processor{process: func(_ context.Context, r core.Request) (core.Answer, error) {
				if r.Async {
					return core.Answer{OrderID: r.OrderID, State: payment.StateScheduled, Async: true}, nil
				}
				return core.Answer{}, core.ErrBusy
			}}
			var header []string
			for _, value := range test.prefer {
				header = append(header, "Prefer: "+value)
			}
			got := serve(t, p).post(oneRequest, header...)
			require.Equal(t, test.wait, p.requests[0].Wait)
			require.Equal(t, test.async, p.requests[0].Async)
			require.Equal(t, test.applied, got.header.Get("Preference-Applied"))
		})
	}
}

// A succeeded order is answered at once, with any preference.
func TestProcess_PreferenceNotNeeded_IsNotApplied(t *testing.T) {
	t.Parallel()
	got := serve(t, answering(approved)).post(oneRequest, "Prefer: respond-async, wait=5")
	require.Equal(t, 200, got.status)
	require.Empty(t, got.header.Values("Preference-Applied"))
}
