package contract_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/adapters/httpapi"
	"paymentd/core"
	"paymentd/core/apikey"
	"paymentd/core/keycache"
	"paymentd/core/payment"
	"paymentd/internal/standardwebhooks"
	"paymentd/ports"
)

// scenario makes the service respond with an example of the contract.
type scenario struct {
	p       *processor
	options func(*httpapi.Options)
	// send sends the request of the example; by default, a valid request for the operation.
	send func(s *service, header ...string) answer
	// again sends the request twice; the example is the second response.
	again bool
	// host is the host of the request; by default, the address of the service.
	host string
	// shows is the caller's API key.
	shows string
	// more are further headers of the request.
	more []string
	// header is required in the response, in addition to what the contract requires.
	header map[string]string
}

// ending is the error of every request.
func ending(err error) *processor {
	p := failing(err)
	p.history = func(context.Context, payment.OrderID) (ports.History, error) { return ports.History{}, err }
	p.list = func(context.Context, ports.ListQuery) (ports.ListPage, error) { return ports.ListPage{}, err }
	p.notify = func(context.Context, core.GatewayEvent) (core.Notified, error) { return "", err }
	p.ready = func(context.Context) error { return err }
	return p
}

func posting(body string, header ...string) func(*service, ...string) answer {
	return func(s *service, more ...string) answer { return s.post(body, slices.Concat(header, more)...) }
}

func getting(path string) func(*service, ...string) answer {
	return func(s *service, header ...string) answer { return s.get(path, header...) }
}

// signedBy is the header of an event that stands for a signature.
const signedBy = "X-Signed-By: bank"

func sendingEvent(body string, header ...string) func(*service, ...string) answer {
	return func(s *service, more ...string) answer {
		return s.request(http.MethodPost, "/gateways/bank/events", body, slices.Concat(header, more)...)
	}
}

// readEvent stands for the verification of a gateway's signature. Its errors are those of the gateway protocol.
func readEvent(header http.Header, body []byte, _ time.Time) (httpapi.Event, error) {
	switch {
	case header.Get("X-Signed-By") == "":
		return httpapi.Event{}, standardwebhooks.ErrUnsigned
	case header.Get("X-Signed-By") == "yesterday":
		return httpapi.Event{}, standardwebhooks.ErrTime
	case string(body) == "{}":
		return httpapi.Event{Skipped: httpapi.EventIgnored}, nil
	}
	return httpapi.Event{GatewayEvent: core.GatewayEvent{OrderID: "order-123"}}, nil
}

func answered(state payment.State, code string) *processor {
	return answering(core.Answer{State: state, Code: code, RetryAfter: time.Second})
}

func succeeded(t *testing.T) payment.Payment {
	t.Helper()
	return payment.Payment{
		OrderID: "order-123", Money: money(t, "100", "USD"), State: payment.StateSucceeded, Fence: 1,
		TransactionID: "txn-21408", CreatedAt: at(0), UpdatedAt: at(time.Second), SeenAt: at(time.Hour),
	}
}

func historySucceeded(t *testing.T) ports.History {
	t.Helper()
	p := succeeded(t)
	p.Attempt = payment.Attempt{
		Number: 1, Fence: 1, Replica: "shop-1", GatewayKey: "019cb8a5-6d00-7000-8000-000000000001",
		StartedAt: at(0), EndedAt: at(time.Second), Class: payment.ClassApproved,
	}
	return ports.History{Payment: p, Attempts: []payment.Attempt{p.Attempt}}
}

func historyScheduled(t *testing.T) ports.History {
	t.Helper()
	return ports.History{Payment: payment.Payment{
		OrderID: "order-123", Money: money(t, "100", "USD"), State: payment.StateScheduled,
		CreatedAt: at(0), UpdatedAt: at(0), DueAt: at(time.Second), SeenAt: at(0),
	}}
}

// ordinary are valid requests of the operations.
var ordinary = map[string]func(*service, ...string) answer{
	"processPayment":   posting(oneRequest),
	"capturePayment":   holding("capture", oneCapture),
	"voidPayment":      holding("void", ""),
	"refundPayment":    refunding(oneRefund),
	"listRefunds":      getting("/payments/order-123/refunds"),
	"getRefund":        getting("/payments/order-123/refunds/refund-1"),
	"getPayment":       getting("/payments/order-123"),
	"listPayments":     getting("/payments?limit=1"),
	"listGateways":     getting("/gateways"),
	"postGatewayEvent": sendingEvent(oneEvent, signedBy),
	"getHealth":        getting("/healthz"),
	"getReadiness":     getting("/readyz"),
	"getMetrics":       getting("/metrics"),
	"getOpenAPI":       getting("/openapi.yaml"),
	"getDocs":          getting("/docs"),
	"getDocsFile":      getting("/docs/start.js"),
}

// counting stands for the metrics, which belong to another adapter.
var counting = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	_, _ = io.WriteString(w, "payments_total 1\n")
})

// bank is the gateway of the example.
func bank() []httpapi.GatewayStatus {
	return []httpapi.GatewayStatus{{
		Name: "bank", Kind: "http", Breaker: "open", RetryIn: 600 * time.Millisecond, InFlight: 3, MaxInFlight: 100,
		Calls: core.GatewayCalls{
			Answered:   core.Call{At: time.Date(2026, 1, 31, 16, 0, 0, 0, time.UTC), Took: 120 * time.Millisecond, Result: "approved", Message: "not shown"},
			Unanswered: core.Call{At: time.Date(2026, 1, 31, 16, 0, 5, 0, time.UTC), Took: 2 * time.Second, Lookup: true, Result: "no_answer"},
			Silent:     5,
		},
		Capabilities: payment.Capabilities{
			Gateway: "https://gateway.example/v1", Repeat: payment.RepeatFirstSuccess, KeyLifetime: 24 * time.Hour,
			LooksUp: true, LookupForgets: true, SavesDeclines: true, Cancels: true,
			Asynchronous: payment.OperationCharge, Operations: payment.OperationVoid,
		},
	}}
}

func panicking(http.ResponseWriter, *http.Request) { panic("x") }

// damaged is the error of a repository for a row that cannot be read.
var damaged = &payment.StoredRowError{
	OrderID: "order-124", Table: "payments", Column: "currency", Problem: `has the unknown code "ZZZ"`,
}

// scenarios by the name of the example.
func scenarios(t *testing.T) map[string]scenario {
	t.Helper()
	all := chargeScenarios()
	maps.Copy(all, readScenarios(t))
	maps.Copy(all, refundScenarios())
	maps.Copy(all, refundErrorScenarios(t))
	maps.Copy(all, refundReadScenarios(t))
	for _, kind := range []string{"capture", "void"} {
		maps.Copy(all, holdScenarios(kind))
		maps.Copy(all, holdErrorScenarios(t, kind))
	}
	maps.Copy(all, eventScenarios())
	maps.Copy(all, keyScenarios(t))
	maps.Copy(all, limitScenarios(t))
	return all
}

// chargeScenarios are about the operation that charges.
func chargeScenarios() map[string]scenario {
	return map[string]scenario{
		"approved": {p: answering(approved), header: map[string]string{"Idempotent-Replayed": ""}},
		"replayed": {
			p:      answering(core.Answer{State: payment.StateSucceeded, TransactionID: "txn-21408", Replayed: true}),
			header: map[string]string{"Idempotent-Replayed": "true"},
		},
		"accepted": {
			p:      answering(core.Answer{State: payment.StateScheduled, Async: true}),
			send:   posting(oneRequest, "Prefer: respond-async"),
			header: map[string]string{"Preference-Applied": "respond-async", "Location": "/payments/order-123"},
		},
		"pending": {
			p: answering(core.Answer{
				State: payment.StatePending, RedirectURL: "https://gateway.example/authenticate/1", RetryAfter: time.Second,
			}),
			header: map[string]string{"Location": "/payments/order-123"},
		},
		"unresolved": {p: answered(payment.StateUnresolved, ""), header: map[string]string{"Location": "/payments/order-123"}},
		"authorized": {
			p:    answering(core.Answer{State: payment.StateAuthorized, TransactionID: "txn-21408"}),
			send: posting(`{"order_id":"order-123","amount":100.00,"capture":"manual"}`),
		},
		"voided": {p: ending(core.ErrVoided)},
		"gateway_cannot_hold": {p: ending(&payment.FieldError{
			Field: "capture", Message: "capture must be automatic, because no gateway for this payment can hold money",
		})},

		"empty_body":        {send: posting("")},
		"misspelt_member":   {send: posting(`{"order_id":"order-125","amount":100,"curency":"EUR"}`)},
		"amount_of_nothing": {send: posting(`{"order_id":"order-123","amount":0}`)},
		"declined":          {p: answered(payment.StateDeclined, "card_declined")},
		"slow_body": {
			options: func(o *httpapi.Options) { o.ReadTimeout = 50 * time.Millisecond },
			send: func(s *service, header ...string) answer {
				return s.raw("POST /payments/process HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" +
					"Content-Length: 10\r\n" + strings.Join(append(header, ""), "\r\n") + "\r\n{")
			},
		},
		"other_gateway": {p: failing(core.ErrForeignGateway)},
		"other_method":  {p: failing(core.ErrKeyOpen)},
		"in_progress": {
			p: ending(core.ErrBusy), send: posting(oneRequest, "Prefer: wait=0"),
			header: map[string]string{"Preference-Applied": "wait=0", "Retry-After": "1"},
		},
		"long_body":         {send: posting(strings.Repeat(" ", 65537))},
		"not_json":          {send: posting(oneRequest, "Content-Type: text/plain")},
		"compressed":        {send: posting(oneRequest, "Content-Encoding: gzip")},
		"other_amount":      {p: ending(core.ErrMismatch)},
		"retries_exhausted": {p: answered(payment.StateFailed, payment.CodeRetriesExhausted)},
		"gateway_rejected":  {p: answered(payment.StateFailed, payment.CodeRejected)},
		"in_doubt":          {p: ending(ports.ErrInDoubt)},
	}
}

// readScenarios are about the operations that read.
func readScenarios(t *testing.T) map[string]scenario {
	t.Helper()
	one := succeeded(t)
	page := &processor{list: func(context.Context, ports.ListQuery) (ports.ListPage, error) {
		return ports.ListPage{Payments: []payment.Payment{one}, NextCreatedAt: one.CreatedAt, NextOrderID: one.OrderID}, nil
	}}
	return map[string]scenario{
		"succeeded":             {p: knowing(historySucceeded(t))},
		"scheduled":             {p: knowing(historyScheduled(t))},
		"order_id_with_a_space": {send: getting("/payments/a%20b")},
		"held":                  {p: knowing(historyHeld(t))},
		"with_capture":          {p: knowing(historyCaptured(t))},
		"with_refund":           {p: knowing(historyRefunded(t))},
		"unknown_order":         {p: ending(ports.ErrNotFound)},
		"get_of_process":        {send: getting("/payments/process"), header: map[string]string{"Allow": "OPTIONS, POST"}},

		"page":               {p: page},
		"empty":              {},
		"misspelt_parameter": {send: getting("/payments?sate=failed")},
		"limit_too_high":     {send: getting("/payments?limit=201")},
		"not_a_time":         {send: getting("/payments?created_from=yesterday")},
		"changed_cursor":     {send: getting("/payments?cursor=AQ")},

		"gateways": {},

		"alive":     {},
		"ready":     {},
		"not_ready": {p: ending(errors.New("x"))},
	}
}

// eventScenarios are about the operation that takes the events of gateways.
func eventScenarios() map[string]scenario {
	return map[string]scenario{
		"event_stored": {},
		"event_of_unknown_order": {p: &processor{notify: func(context.Context, core.GatewayEvent) (core.Notified, error) {
			return core.NotifiedUnknownOrder, nil
		}}},
		"event_ignored": {send: sendingEvent("{}", signedBy)},
		"forged_event":  {send: sendingEvent(oneEvent)},
		"expired_event": {send: sendingEvent(oneEvent, "X-Signed-By: yesterday")},
		"incomplete_event": {send: func(s *service, header ...string) answer {
			return s.raw("POST /gateways/bank/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" +
				strings.Join(append(header, ""), "\r\n") + "\r\nx\r\n")
		}},
		"no_events": {options: func(o *httpapi.Options) { o.Events = nil }},
		"slow_event": {
			options: func(o *httpapi.Options) { o.ReadTimeout = 50 * time.Millisecond },
			send: func(s *service, header ...string) answer {
				return s.raw("POST /gateways/bank/events HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n" +
					strings.Join(append(header, ""), "\r\n") + "\r\n{")
			},
		},
		"long_event": {send: sendingEvent(strings.Repeat(" ", 262145), signedBy)},
	}
}

// keyScenarios are about the API key of the caller.
func keyScenarios(t *testing.T) map[string]scenario {
	t.Helper()
	return map[string]scenario{
		"no_key": {
			options: func(o *httpapi.Options) { o.Keys = keysOf(t, fake.NewKeys(), keyOfShop) },
			header:  map[string]string{"WWW-Authenticate": `Bearer realm="paymentd"`},
		},
		"unknown_key":             showing(t, keyOfOther, `Bearer realm="paymentd", error="invalid_token"`),
		"mistyped_key":            showing(t, "paymentd_0123", `Bearer realm="paymentd", error="invalid_token"`),
		"expired_key":             expired(t),
		"outside_limits":          limited(t),
		"foreign_page":            {more: []string{"Origin: http://evil.example", "Sec-Fetch-Site: cross-site"}},
		"without_pay":             lacking(t, "read", "pay"),
		"without_read":            lacking(t, "pay", "read"),
		"without_capture":         lacking(t, "pay", "capture"),
		"without_refund":          lacking(t, "pay", "refund"),
		"without_read_and_pay":    lacking(t, "later", "read"),
		"without_read_and_refund": lacking(t, "pay", "read"),
		"keys_not_known": {
			options: func(o *httpapi.Options) {
				stored := fake.NewKeys()
				stored.Fail(ports.ErrUnavailable)
				o.Keys = cacheOf(t, stored, keycache.Settings{Open: true, Static: func() []string { return nil }})
			},
			header: map[string]string{"Retry-After": "2"},
		},
	}
}

// limitScenarios are about what every request may meet: a limit, or a failure.
func limitScenarios(t *testing.T) map[string]scenario {
	t.Helper()
	all := map[string]scenario{
		"fault": {
			p: ending(errors.New("x")),
			options: func(o *httpapi.Options) {
				o.Metrics = http.HandlerFunc(panicking)
				o.Gateways = func() []httpapi.GatewayStatus { panic("x") }
			},
		},
		"other_host":  {options: func(o *httpapi.Options) { o.AllowedHosts = nil }, host: "rebound.example"},
		"damaged_row": {p: ending(fmt.Errorf("claim payment: %w", damaged))},
		"with_a_damaged_row": {p: &processor{list: func(context.Context, ports.ListQuery) (ports.ListPage, error) {
			return ports.ListPage{Unreadable: []*payment.StoredRowError{damaged}}, nil
		}}},
		"at_the_limit":  {options: func(o *httpapi.Options) { o.MaxRequests = 0 }},
		"no_database":   {p: ending(ports.ErrUnavailable), header: map[string]string{"Retry-After": "2"}},
		"cut_short":     {p: ending(context.Canceled)},
		"address_limit": beyondAddressLimit(),
		"key_limit":     beyondKeyLimit(t),
		"large_header":  {send: nil}, // set below: the path is that of the operation
	}
	for _, kind := range []string{"capture", "void", "refund"} {
		all[kind+"_at_the_limit"] = all["at_the_limit"]
		all[kind+"_address_limit"], all[kind+"_key_limit"] = beyondAddressLimit(), beyondKeyLimit(t)
	}
	return all
}

func beyondAddressLimit() scenario {
	return scenario{
		options: func(o *httpapi.Options) { o.LimitPerAddress = httpapi.Rate{Requests: 1, Window: time.Minute} },
		again:   true,
		header: map[string]string{
			"Retry-After": "60", "RateLimit-Policy": `"address";q=1;w=60`, "RateLimit": `"address";r=0;t=60`,
		},
	}
}

func beyondKeyLimit(t *testing.T) scenario {
	t.Helper()
	return scenario{
		options: func(o *httpapi.Options) {
			o.Keys, o.LimitPerKey = keysOf(t, fake.NewKeys(), keyOfShop), httpapi.Rate{Requests: 1, Window: time.Hour}
		},
		shows: keyOfShop,
		again: true,
		header: map[string]string{
			"Retry-After": "3600", "RateLimit-Policy": `"key";q=1;w=3600`, "RateLimit": `"key";r=0;t=3600`,
		},
	}
}

// showing returns the scenario of a caller with an unknown key.
func showing(t *testing.T, key, challenge string) scenario {
	t.Helper()
	return scenario{
		options: func(o *httpapi.Options) { o.Keys = keysOf(t, fake.NewKeys(), keyOfShop) },
		shows:   key, header: map[string]string{"WWW-Authenticate": challenge},
	}
}

// lacking returns the scenario of a caller whose key has only this scope, which is not sufficient.
func lacking(t *testing.T, scope apikey.Scope, needed string) scenario {
	t.Helper()
	stored := fake.NewKeys()
	key, secret := apikey.New("shop", []apikey.Scope{scope})
	require.NoError(t, stored.Create(t.Context(), key))
	return scenario{
		options: func(o *httpapi.Options) { o.Keys = keysOf(t, stored) }, shows: secret.Reveal(),
		header: map[string]string{
			"WWW-Authenticate": `Bearer realm="paymentd", error="insufficient_scope", scope="` + needed + `"`,
		},
	}
}

// limited returns the scenario of a caller whose key is for other orders.
func limited(t *testing.T) scenario {
	t.Helper()
	stored := fake.NewKeys()
	key, secret := apikey.New("shop", []apikey.Scope{apikey.ScopeAdmin})
	key.Limits.OrderPrefixes = []string{"shop1-"}
	require.NoError(t, stored.Create(t.Context(), key))
	return scenario{
		options: func(o *httpapi.Options) { o.Keys = keysOf(t, stored) }, shows: secret.Reveal(),
		header: map[string]string{"WWW-Authenticate": `Bearer realm="paymentd", error="insufficient_scope"`},
	}
}

// expired returns the scenario of a caller whose key has expired.
func expired(t *testing.T) scenario {
	t.Helper()
	stored := fake.NewKeys()
	key, secret := apikey.New("shop", []apikey.Scope{apikey.ScopeAdmin})
	key.ExpiresAt = time.Now().Add(-time.Minute)
	require.NoError(t, stored.Create(t.Context(), key))
	return scenario{
		options: func(o *httpapi.Options) { o.Keys = keysOf(t, stored) }, shows: secret.Reveal(),
		header: map[string]string{"WWW-Authenticate": `Bearer realm="paymentd", error="invalid_token"`},
	}
}

// Each example in the contract equals the response of the service, byte for byte except for spaces,
// and in both forms if it is an error.
func TestContract_Examples_AreResponses(t *testing.T) {
	t.Parallel()
	all, used := scenarios(t), make(map[string]bool)
	for _, o := range readContract(t).operations() {
		for status, response := range o.Responses.Map() {
			for mediaType, content := range response.Value.Content {
				for name, example := range content.Examples {
					used[name] = true
					t.Run(fmt.Sprint(o.OperationID, " ", status, " ", mediaType, " ", name), func(t *testing.T) {
						t.Parallel()
						require.Contains(t, all, name)
						got := all[name].play(t, o, mediaType)
						require.Equal(t, status, strconv.Itoa(got.status), got.body)
						require.NoError(t, o.check(got, false))
						require.Equal(t, mediaType, strings.TrimSuffix(got.header.Get("Content-Type"), "; charset=utf-8"))
						requireSame(t, example.Value.Value, got.body)
					})
				}
			}
		}
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(all)), slices.Collect(maps.Keys(used)), "a scenario of no example")
}

func requireSame(t *testing.T, example any, body string) {
	t.Helper()
	if text, isText := example.(string); isText {
		require.Equal(t, text, body)
		return
	}
	want, err := json.Marshal(example)
	require.NoError(t, err)
	require.JSONEq(t, string(want), body)
}

func (sc scenario) play(t *testing.T, o operation, mediaType string) answer {
	t.Helper()
	p, limits, send := sc.p, options(t), sc.send
	if p == nil {
		p = answering(approved)
	}
	if sc.options != nil {
		sc.options(&limits)
	}
	if send == nil {
		send = ordinary[o.OperationID]
	}
	header := []string{"Accept: " + mediaType}
	if mediaType == "text/plain" {
		header = append(header, "X-Padding: "+strings.Repeat("x", limits.MaxHeaderBytes+8<<10))
	}
	if sc.shows != "" {
		header = append(header, "Authorization: Bearer "+sc.shows)
	}
	header = append(header, sc.more...)
	s := serve(t, p, limits)
	s.host = sc.host
	if sc.again {
		require.NotEqual(t, http.StatusTooManyRequests, send(s, header...).status)
	}
	got := send(s, header...)
	for name, want := range sc.header {
		require.Equal(t, want, got.header.Get(name), name)
	}
	return got
}

func TestContract_Metrics(t *testing.T) {
	t.Parallel()
	s := serve(t, &processor{}, options(t))
	for _, operation := range readContract(t).operations() {
		if operation.OperationID == "getMetrics" {
			got := s.get("/metrics")
			require.NoError(t, operation.check(got, false))
			require.Equal(t, 200, got.status)
			require.Equal(t, "payments_total 1\n", got.body)
		}
	}
}

// Responses without examples: files, and 304.
func TestContract_Files(t *testing.T) {
	t.Parallel()
	s := serve(t, &processor{}, options(t))
	for _, o := range readContract(t).operations() {
		if o.Responses.Status(http.StatusNotModified) == nil {
			continue
		}
		paths := []string{o.path}
		if o.OperationID == "getDocsFile" {
			paths = nil
			for _, name := range o.Parameters[0].Value.Schema.Value.Enum {
				paths = append(paths, "/docs/"+fmt.Sprint(name))
			}
			require.Len(t, paths, 6)
		}
		for _, path := range paths {
			got := s.get(path)
			require.Equal(t, 200, got.status, path)
			require.NoError(t, o.check(got, false), path)
			again := s.get(path, "If-None-Match: "+got.header.Get("Etag"))
			require.Equal(t, 304, again.status, path)
			require.NoError(t, o.check(again, false), path)
			require.NoError(t, o.check(s.request(http.MethodHead, path, ""), true), path)
		}
	}
}
