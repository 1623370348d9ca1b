package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

var (
	theCapture = payment.OperationID{Kind: payment.KindCapture}
	theVoid    = payment.OperationID{Kind: payment.KindVoid}
)

func (s *service) capture(body string, header ...string) answer {
	s.t.Helper()
	return s.request(http.MethodPost, "/payments/order-123/capture", body, append(header, "Content-Type: application/json")...)
}

func (s *service) void(body string, header ...string) answer {
	s.t.Helper()
	return s.request(http.MethodPost, "/payments/order-123/void", body, header...)
}

// Every response, byte for byte.
func TestHold_Response_ByteForByte(t *testing.T) {
	t.Parallel()
	const location, wrong = "/payments/order-123", `{"error":"internal error; it is safe to retry the same request"}`
	for _, test := range []struct {
		name          string
		answer        core.Answer
		status        int
		capture, void string
		header        map[string]string
	}{
		{
			"done",
			core.Answer{State: payment.StateSucceeded, TransactionID: "txn-2"},
			200,
			`{"status":"success","transaction_id":"txn-2"}`, `{"status":"success","transaction_id":"txn-2"}`,
			map[string]string{"Idempotent-Replayed": "", "Location": "", "Retry-After": ""},
		},
		{
			"replayed",
			core.Answer{State: payment.StateSucceeded, TransactionID: "txn-2", Replayed: true},
			200,
			`{"status":"success","transaction_id":"txn-2"}`, `{"status":"success","transaction_id":"txn-2"}`,
			map[string]string{"Idempotent-Replayed": "true"},
		},
		{
			"declined",
			core.Answer{State: payment.StateDeclined, Code: "authorization_expired", Reason: "secret"},
			402,
			`{"error":"Capture declined","code":"authorization_expired"}`, `{"error":"Void declined","code":"authorization_expired"}`,
			map[string]string{"Retry-After": ""},
		},
		{
			"exhausted",
			core.Answer{State: payment.StateFailed, Code: payment.CodeRetriesExhausted},
			502,
			`{"error":"Capture failed after maximum retries"}`, `{"error":"Void failed after maximum retries"}`, nil,
		},
		{
			"rejected",
			core.Answer{State: payment.StateFailed, Code: payment.CodeRejected},
			502,
			`{"error":"The payment gateway rejected the request"}`, `{"error":"The payment gateway rejected the request"}`, nil,
		},
		{
			"unresolved",
			core.Answer{State: payment.StateUnresolved, RetryAfter: 5 * time.Second},
			202,
			`{"status":"unresolved","order_id":"order-123"}`, `{"status":"unresolved","order_id":"order-123"}`,
			map[string]string{"Location": location, "Retry-After": "5", "Preference-Applied": ""},
		},
		{
			"pending",
			core.Answer{State: payment.StatePending, RetryAfter: 5 * time.Second, RedirectURL: "https://g.example/1"},
			202,
			`{"status":"pending","order_id":"order-123"}`, `{"status":"pending","order_id":"order-123"}`,
			map[string]string{"Location": location, "Retry-After": "5"},
		},
		{
			"scheduled as asked",
			core.Answer{State: payment.StateScheduled, Async: true},
			202,
			`{"status":"scheduled","order_id":"order-123"}`, `{"status":"scheduled","order_id":"order-123"}`,
			map[string]string{"Location": location, "Preference-Applied": "respond-async", "Retry-After": "1"},
		},
		{"not final", core.Answer{State: payment.StateProcessing}, 500, wrong, wrong, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, answering(test.answer))
			captured, voided := s.capture(`{"amount":60.00}`), s.void("")
			captured.requireBody(t, test.capture)
			voided.requireBody(t, test.void)
			for _, got := range []answer{captured, voided} {
				require.Equal(t, test.status, got.status)
				require.Equal(t, "no-store", got.header.Get("Cache-Control"))
				require.Equal(t, "Accept, Prefer", got.header.Get("Vary"))
				for name, want := range test.header {
					require.Equal(t, want, got.header.Get(name), name)
				}
			}
		})
	}
	// A pending payment that was cancelled has no transaction.
	serve(t, answering(core.Answer{State: payment.StateSucceeded})).void("").requireBody(t, `{"status":"success"}`)
}

func TestHold_Request_IsPassedOn(t *testing.T) {
	t.Parallel()
	const typed = "Content-Type: application/json"
	for _, test := range []struct {
		path, body string
		header     []string
		want       core.Request
	}{
		{"capture", `{}`, []string{typed}, core.Request{Operation: theCapture}},
		{"capture", `{"amount":60.00}`, []string{typed}, core.Request{Operation: theCapture, Money: money(t, "60", "USD")}},
		{"capture", `{"currency":"JPY","amount":"7","reason":"sold out"}`, []string{typed}, core.Request{
			Operation: theCapture, Money: money(t, "7", "JPY"), Note: "sold out",
		}},
		{"void", ``, nil, core.Request{Operation: theVoid}},
		{"void", ``, []string{typed}, core.Request{Operation: theVoid}},
		{"void", `{}`, []string{typed}, core.Request{Operation: theVoid}},
		{"void", `{"reason":"sold out"}`, []string{typed}, core.Request{Operation: theVoid, Note: "sold out"}},
	} {
		p := answering(core.Answer{State: payment.StateSucceeded, TransactionID: "t"})
		got := serve(t, p).request(http.MethodPost, "/payments/a%2F1/"+test.path, test.body, append(test.header, "Prefer: wait=3")...)
		require.Equal(t, 200, got.status, "%s: %s", test.body, got.body)
		require.Equal(t, "wait=3", got.header.Get("Preference-Applied"))
		wait := 3 * time.Second
		test.want.OrderID, test.want.Wait = "a/1", &wait
		require.Equal(t, []core.Request{test.want}, p.holds, test.body)
	}
}

// Without a currency, an amount is in that of the payment.
func TestCapture_AmountWithoutCurrency_IsInThePaymentsCurrency(t *testing.T) {
	t.Parallel()
	p := answering(core.Answer{State: payment.StateSucceeded, TransactionID: "t"})
	p.payment = func(context.Context, payment.OrderID) (payment.Payment, error) {
		return payment.Payment{Money: money(t, "1", "KWD")}, nil
	}
	s := serve(t, p)
	require.Equal(t, 200, s.capture(`{"amount":0.125}`).status)
	require.Equal(t, money(t, "0.125", "KWD"), p.holds[0].Money)
	p.payment = nil
	require.Equal(t, 404, s.capture(`{"amount":1}`).status)
	require.Len(t, p.holds, 1)
}

// No ambiguous request reaches the core, and no sentence has a card number.
func TestHold_WrongRequest_IsRefused(t *testing.T) {
	t.Parallel()
	const card = "4242424242424242"
	for _, test := range []struct {
		path, body string
		header     []string
		status     int
		sentence   string
	}{
		{"capture", "", nil, 400, `the body is empty; send a JSON object such as {"amount":60.00}`},
		{"capture", "[]", nil, 400, `the body must be one JSON object, such as {"amount":60.00}`},
		{"capture", "{}{}", nil, 400, "nothing may follow the JSON object in the body"},
		{"capture", `{"amount":1,"amount":1}`, nil, 400, "amount must be given once only"},
		{"capture", `{"amout":1}`, nil, 400, `the member "amout" is not known; the members are amount, currency, reason`},
		{"capture", `{"refund_id":"a"}`, nil, 400, `the member "refund_id" is not known; the members are amount, currency, reason`},
		{"capture", `{"Amount":1}`, nil, 400, `the member "Amount" must be written "amount"`},
		{"capture", `{"amount":0}`, nil, 400, saysZero},
		{"capture", `{"amount":null}`, nil, 400, saysAmount},
		{"capture", `{"amount":0.001}`, nil, 400, saysCents},
		{"capture", `{"currency":"USD"}`, nil, 400, "currency must be left out if there is no amount"},
		{"capture", `{"amount":1,"currency":"XXQ"}`, nil, 400, saysCode},
		{"capture", `{"reason":"card ` + card + `"}`, nil, 400, "reason must not contain a card number"},
		{"capture", "{}", []string{"Content-Type: text/plain"}, 415, "the header Content-Type must be given once, as application/json"},
		{"capture", "{}", []string{"Content-Encoding: gzip"}, 415, "the body must be sent without Content-Encoding"},
		{"capture", strings.Repeat(" ", 65537), nil, 413, "the body must have at most 65536 bytes"},
		{"capture?amount=1", "{}", nil, 400, "this path takes no query string; put amount, currency and reason into the JSON body"},
		{"void", " ", nil, 400, "the body is empty; send a JSON object such as {}"},
		{"void", "null", nil, 400, "the body must be one JSON object, such as {}"},
		{"void", `{"amount":1}`, nil, 400, `the member "amount" is not known; the members are reason`},
		{"void", `{"reason":""}`, nil, 400, "reason must not be empty; leave it out if there is none"},
		{"void", `{"reason":"card ` + card + `"}`, nil, 400, "reason must not contain a card number"},
		{"void", "{}", []string{"Content-Type: text/plain"}, 415, "the header Content-Type must be given once, as application/json"},
		{"void", strings.Repeat(" ", 65537), nil, 413, "the body must have at most 65536 bytes"},
		{"void?x=1", "", nil, 400, "this path takes no query string; put reason into the JSON body"},
	} {
		p := answering(approved)
		s := serve(t, p)
		got := s.request(http.MethodPost, "/payments/order-123/"+test.path, test.body, append(test.header, "Content-Type: application/json")...)
		require.Equal(t, test.status, got.status, test.body[:min(len(test.body), 80)])
		require.Equal(t, test.sentence, got.sentence(t))
		p.requireUntouched(t)
		require.NotContains(t, s.log.lines.String(), card)
	}
	p := answering(approved)
	got := serve(t, p).request(http.MethodPost, "/payments/a%20b/void", "")
	require.Equal(t, 400, got.status)
	require.Equal(t, saysCharacters, got.sentence(t))
	p.requireUntouched(t)
}

func TestHold_Error_IsMapped(t *testing.T) {
	t.Parallel()
	refused := &payment.OperationRefusedError{Why: "the payment is voided; only an authorized payment can be captured", State: payment.StateVoided}
	exceeds := &payment.OperationRefusedError{Why: "the capture exceeds what is held", Left: money(t, "75", "USD"), State: payment.StateAuthorized}
	for _, test := range []struct {
		err        error
		status     int
		kind       string
		sentence   string // with KIND and DONE
		retryAfter string
		state      payment.State
	}{
		{payment.ErrChargeOpen, 409, "payment-open", "the outcome of the payment is not known yet, so nothing can be DONE; send the same request again later", "5", ""},
		{refused, 422, "KIND-refused", refused.Why, "", "voided"},
		{exceeds, 422, "KIND-refused", exceeds.Why, "", "authorized"},
		{ports.ErrNotFound, 404, "no-such-payment", "there is no payment with this order id; order ids are case-sensitive", "", ""},
		{core.ErrBusy, 409, "KIND-in-progress", "another request is processing this KIND; send the same request again later", "1", ""},
		{core.ErrForeignGateway, 409, "other-gateway", "the payment was charged at a gateway that this service is not configured for; add the gateway to the settings, and send the same request again", "60", ""},
		{&core.GatewaysUnavailableError{RetryAfter: 3 * time.Second}, 503, "gateway-unavailable", "no gateway for this payment can be reached; nothing was DONE by this request; send it again later", "3", ""},
		{ports.ErrUnavailable, 503, "database-unavailable", "the database is not available; nothing was DONE by this request; send it again later", "2", ""},
		{ports.ErrInDoubt, 503, "outcome-in-doubt", "the connection to the database was lost before it confirmed that this request was stored; send the same request again: a payment is DONE once only", "2", ""},
		{context.DeadlineExceeded, 503, "request-cut-short", "the service stopped waiting before the KIND was decided; send the same request again: a payment is DONE once only", "1", ""},
		{errors.New("hunter2"), 500, "internal-error", "internal error; it is safe to retry the same request", "", ""},
	} {
		for kind, done := range map[string]string{"capture": "captured", "void": "voided"} {
			words := strings.NewReplacer("KIND", kind, "DONE", done)
			s := serve(t, failing(fmt.Errorf("claim payment: %w", test.err)))
			send := func(header ...string) answer {
				return s.request(http.MethodPost, "/payments/order-123/"+kind, "{}", append(header, "Content-Type: application/json")...)
			}
			got, sentence := send(), words.Replace(test.sentence)
			require.Equal(t, test.status, got.status, test.kind)
			require.Equal(t, test.retryAfter, got.header.Get("Retry-After"), test.kind)
			state := ""
			if test.state != "" {
				state = `,"state":"` + string(test.state) + `"`
			}
			got.requireBody(t, `{"error":"`+sentence+`"`+state+`}`)
			got = send("Accept: " + problemMedia)
			require.Contains(t, got.body, `"type":"urn:paymentd:problem:`+words.Replace(test.kind)+`"`)
			require.Contains(t, got.body, `"detail":"`+sentence+`"`+state+`}`)
		}
	}
	s := serve(t, failing(core.ErrMismatch))
	got := s.capture(`{"amount":60.00}`, "Accept: "+problemMedia)
	require.Equal(t, 422, got.status)
	require.Contains(t, got.body, `"type":"urn:paymentd:problem:capture-mismatch"`)
	require.Contains(t, got.body, `"detail":"the capture of this order is known with another amount or currency; repeat those, because an order has one capture"`)
}

func TestProcess_Hold_IsAuthorized(t *testing.T) {
	t.Parallel()
	for _, replayed := range []bool{false, true} {
		p := answering(core.Answer{State: payment.StateAuthorized, TransactionID: "txn-1", Replayed: replayed})
		got := serve(t, p).post(`{"order_id":"order-123","amount":100.00,"capture":"manual"}`)
		require.Equal(t, 200, got.status)
		got.requireBody(t, `{"status":"authorized","transaction_id":"txn-1"}`)
		require.Equal(t, map[bool]string{true: "true"}[replayed], got.header.Get("Idempotent-Replayed"))
		require.Equal(t, payment.CaptureManual, p.requests[0].Capture)
	}
	p := answering(approved)
	require.Equal(t, 200, serve(t, p).post(`{"order_id":"order-123","amount":100.00,"capture":"automatic"}`).status)
	require.Equal(t, payment.CaptureAutomatic, p.requests[0].Capture)

	for _, value := range []string{`""`, `null`, `true`, `1`, `{}`} {
		p := answering(approved)
		got := serve(t, p).post(`{"order_id":"order-123","amount":100.00,"capture":` + value + `}`)
		require.Equal(t, 400, got.status, value)
		require.Equal(t, `capture must be "automatic" or "manual", or be left out`, got.sentence(t))
		p.requireUntouched(t)
	}
	got := serve(t, answering(approved)).post(`{"order_id":"order-123","amount":100.00,"capture":"Manual"}`)
	require.Equal(t, "capture must be automatic or manual", got.sentence(t))

	got = serve(t, failing(fmt.Errorf("claim payment: %w", core.ErrVoided))).post(oneRequest, "Accept: "+problemMedia)
	require.Equal(t, 422, got.status)
	got.requireBody(t, `{"type":"urn:paymentd:problem:payment-voided","title":"Payment voided","status":422,`+
		`"detail":"the payment was voided: the money was held for the order, and was released; use a new order_id"}`)
}

// capturedHistory is a payment of 100.00 USD of which 60.00 were captured and 10.00 refunded.
func capturedHistory(t *testing.T) ports.History {
	t.Helper()
	h := refundedHistory(t)
	capture := h.Operations[0]
	capture.Payment.Operation, capture.Payment.Money = theCapture, money(t, "60", "USD")
	refund := h.Operations[0]
	refund.Payment.Money = money(t, "10", "USD")
	h.Payment.Capture, h.Payment.CapturedMinor, h.Payment.RefundReserved = payment.CaptureManual, 6000, 1000
	h.Payment.HoldExpires = at(time.Hour)
	h.Operations = []ports.History{capture, refund}
	return h
}

func TestLookUp_Hold_IsShown(t *testing.T) {
	t.Parallel()
	captured := serve(t, knowing(capturedHistory(t)))
	whole := captured.get("/payments/order-123")
	require.Equal(t, 200, whole.status)
	require.Contains(t, whole.body, `"currency":"USD","capture":"manual","transaction_id":"txn-1"`)
	require.Contains(t, whole.body, `"captured":"60.00","refunded":"10.00","refundable":"50.00","operations":[`+
		`{"kind":"capture","state":"succeeded","amount":"60.00","currency":"USD",`)
	require.Contains(t, whole.body, `{"at":"2026-03-04T12:01:00.000000Z","kind":"created","operation":"capture"},`)
	require.NotContains(t, whole.body, "hold_expires_at", "the hold has ended")
	list := captured.get("/payments/order-123/refunds")
	require.NotContains(t, list.body, "capture", "a capture is not a refund")

	held := payment.Payment{
		OrderID: "o", Money: money(t, "1", "USD"), State: payment.StateAuthorized, Capture: payment.CaptureManual, TransactionID: "t",
		HoldExpires: at(time.Hour),
	}
	got := serve(t, knowing(ports.History{Payment: held})).get("/payments/o")
	require.Contains(t, got.body, `"state":"authorized"`)
	require.Contains(t, got.body, `"hold_expires_at":"2026-03-04T13:00:00.000000Z"`)
	require.Contains(t, got.body, `"captured":"0.00"`)
	require.NotContains(t, got.body, "refund")

	held.HoldExpires = time.Time{}
	require.NotContains(t, serve(t, knowing(ports.History{Payment: held})).get("/payments/o").body, "hold_expires_at")
	held.State = payment.StateVoided
	require.Contains(t, serve(t, knowing(ports.History{Payment: held})).get("/payments/o").body, `"captured":"0.00"`)
	held.State = payment.StateDeclined
	require.NotContains(t, serve(t, knowing(ports.History{Payment: held})).get("/payments/o").body, "captured")
}

func TestRequestLog_Hold_HasTheClient(t *testing.T) {
	t.Parallel()
	s := serve(t, failing(&payment.OperationRefusedError{Why: "the payment is voided", State: payment.StateVoided}))
	s.void("")
	require.Equal(t, map[string]any{
		"level": "INFO", "method": "POST", "route": "/payments/:order_id/void", "status": 422.0, "client": "127.0.0.1",
		"order_id": "order-123", "reason": "the payment is voided",
	}, s.line())
}
