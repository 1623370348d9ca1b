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

const oneRefund = `{"refund_id":"refund-1","amount":25.00,"reason":"damaged"}`

var refund1 = payment.OperationID{Kind: payment.KindRefund, Name: "refund-1"}

func (s *service) refund(body string, header ...string) answer {
	s.t.Helper()
	return s.request(http.MethodPost, "/payments/order-123/refunds", body, append(header, "Content-Type: application/json")...)
}

// Every response, byte for byte.
func TestRefund_Response_ByteForByte(t *testing.T) {
	t.Parallel()
	const location = "/payments/order-123/refunds/refund-1"
	for _, test := range []struct {
		name   string
		answer core.Answer
		status int
		body   string
		header map[string]string
	}{
		{
			"refunded",
			core.Answer{State: payment.StateSucceeded, TransactionID: "txn-2"},
			200, `{"status":"success","refund_id":"refund-1","transaction_id":"txn-2"}`,
			map[string]string{"Idempotent-Replayed": "", "Location": "", "Retry-After": ""},
		},
		{
			"replayed",
			core.Answer{State: payment.StateSucceeded, TransactionID: "txn-2", Replayed: true},
			200, `{"status":"success","refund_id":"refund-1","transaction_id":"txn-2"}`,
			map[string]string{"Idempotent-Replayed": "true"},
		},
		{
			"declined",
			core.Answer{State: payment.StateDeclined, Code: "insufficient_funds", Reason: "secret"},
			402, `{"error":"Refund declined","code":"insufficient_funds"}`,
			map[string]string{"Retry-After": ""},
		},
		{
			"returned",
			core.Answer{State: payment.StateDeclined, Code: payment.CodeRefundReturned, Replayed: true},
			402, `{"error":"Refund declined","code":"refund_returned"}`,
			map[string]string{"Idempotent-Replayed": ""},
		},
		{
			"exhausted",
			core.Answer{State: payment.StateFailed, Code: payment.CodeRetriesExhausted},
			502, `{"error":"Refund failed after maximum retries"}`, nil,
		},
		{
			"rejected",
			core.Answer{State: payment.StateFailed, Code: payment.CodeRejected},
			502, `{"error":"The payment gateway rejected the request"}`, nil,
		},
		{
			"unresolved",
			core.Answer{State: payment.StateUnresolved, RetryAfter: 5 * time.Second},
			202, `{"status":"unresolved","order_id":"order-123","refund_id":"refund-1"}`,
			map[string]string{"Location": location, "Retry-After": "5", "Preference-Applied": ""},
		},
		{
			"pending",
			core.Answer{State: payment.StatePending, RetryAfter: 5 * time.Second},
			202, `{"status":"pending","order_id":"order-123","refund_id":"refund-1"}`,
			map[string]string{"Location": location, "Retry-After": "5"},
		},
		{
			"scheduled as asked",
			core.Answer{State: payment.StateScheduled, Async: true},
			202, `{"status":"scheduled","order_id":"order-123","refund_id":"refund-1"}`,
			map[string]string{"Location": location, "Preference-Applied": "respond-async", "Retry-After": "1"},
		},
		{
			"not final",
			core.Answer{State: payment.StateProcessing},
			500, `{"error":"internal error; it is safe to retry the same request"}`, nil,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := serve(t, answering(test.answer)).refund(oneRefund)
			require.Equal(t, test.status, got.status)
			got.requireBody(t, test.body)
			require.Equal(t, "no-store", got.header.Get("Cache-Control"))
			require.Equal(t, "Accept, Prefer", got.header.Get("Vary"))
			for name, want := range test.header {
				require.Equal(t, want, got.header.Get(name), name)
			}
		})
	}
}

// Ids are percent-encoded in the Location, and decoded in the path.
func TestRefund_Location_LeadsToTheRefund(t *testing.T) {
	t.Parallel()
	p := answering(core.Answer{State: payment.StateUnresolved})
	p.history = func(_ context.Context, id payment.OrderID) (ports.History, error) {
		return ports.History{
			Payment: payment.Payment{OrderID: id, Money: money(t, "1", "USD")},
			Operations: []ports.History{{Payment: payment.Payment{
				OrderID: id, Operation: payment.OperationID{Kind: payment.KindRefund, Name: "r/%1"}, Money: money(t, "1", "USD"),
			}}},
		}, nil
	}
	s := serve(t, p)
	got := s.request(http.MethodPost, "/payments/a%2F1/refunds", `{"refund_id":"r/%1"}`, "Content-Type: application/json")
	require.Equal(t, 202, got.status, got.body)
	require.Equal(t, "/payments/a%2F1/refunds/r%2F%251", got.header.Get("Location"))
	require.Equal(t, payment.OrderID("a/1"), p.refunds[0].OrderID)
	found := s.get(got.header.Get("Location"))
	require.Equal(t, 200, found.status, found.body)
	require.Contains(t, found.body, `"refund_id":"r/%1"`)
	require.Equal(t, []payment.OrderID{"a/1"}, p.lookedUp)
}

func TestRefund_Request_IsPassedOn(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]core.Request{
		`{"refund_id":"refund-1"}`: {},
		oneRefund:                  {Money: money(t, "25", "USD"), Note: "damaged"},
		`{"amount":"25.00","refund_id":"refund-1"}`:               {Money: money(t, "25", "USD")},
		`{"refund_id":"refund-1","amount":7,"currency":"JPY"}`:    {Money: money(t, "7", "JPY")},
		`{"refund_id":"refund-1","reason":"Gr\u00f6\u00dfe: 38"}`: {Note: "Größe: 38"},
	} {
		p := answering(core.Answer{State: payment.StateSucceeded, TransactionID: "t"})
		got := serve(t, p).refund(body, "Prefer: wait=3")
		require.Equal(t, 200, got.status, "%s: %s", body, got.body)
		require.Equal(t, "wait=3", got.header.Get("Preference-Applied"))
		require.Len(t, p.refunds, 1)
		require.Empty(t, p.requests)
		wait := 3 * time.Second
		want.OrderID, want.Operation, want.Wait = "order-123", refund1, &wait
		require.Equal(t, want, p.refunds[0], body)
	}
}

// Without a currency, an amount is in that of the payment.
func TestRefund_AmountWithoutCurrency_IsInThePaymentsCurrency(t *testing.T) {
	t.Parallel()
	p := answering(core.Answer{State: payment.StateSucceeded, TransactionID: "t"})
	p.payment = func(context.Context, payment.OrderID) (payment.Payment, error) {
		return payment.Payment{Money: money(t, "1", "KWD")}, nil
	}
	s := serve(t, p)
	require.Equal(t, 200, s.refund(`{"refund_id":"refund-1","amount":0.125}`).status)
	require.Equal(t, money(t, "0.125", "KWD"), p.refunds[0].Money)
	got := s.refund(`{"refund_id":"refund-1","amount":0.1255}`)
	require.Equal(t, 400, got.status)
	require.Equal(t, "amount must have at most 3 decimals in KWD", got.sentence(t))

	p.payment = nil
	got = s.refund(oneRefund)
	require.Equal(t, 404, got.status)
	require.Equal(t, "there is no payment with this order id; order ids are case-sensitive", got.sentence(t))
	p.payment = func(context.Context, payment.OrderID) (payment.Payment, error) {
		return payment.Payment{}, ports.ErrUnavailable
	}
	got = s.refund(oneRefund)
	require.Equal(t, 503, got.status)
	require.Equal(t, "the database is not available; nothing was refunded by this request; send it again later", got.sentence(t))
	require.Len(t, p.refunds, 1)
}

// No ambiguous request reaches the core, and no sentence has a card number.
func TestRefund_WrongRequest_IsRefused(t *testing.T) {
	t.Parallel()
	const card = "4242424242424242"
	saysMembers := func(name string) string {
		return "the member " + name + " is not known; the members are refund_id, amount, currency, reason"
	}
	for _, test := range []struct {
		body     string
		header   []string
		status   int
		sentence string
	}{
		{"", nil, 400, `the body is empty; send a JSON object such as {"refund_id":"refund-1","amount":25.00}`},
		{"[]", nil, 400, `the body must be one JSON object, such as {"refund_id":"refund-1","amount":25.00}`},
		{"{}", nil, 400, "refund_id must be given"},
		{oneRefund + "{}", nil, 400, "nothing may follow the JSON object in the body"},
		{`{"refund_id":"a","refund_id":"b"}`, nil, 400, "refund_id must be given once only"},
		{`{"refund_id":"a","amount":1,"amount":1}`, nil, 400, "amount must be given once only"},
		{`{"refund_id":"a","reason":"x","reason":"y"}`, nil, 400, "reason must be given once only"},
		{`{"refund_id":"a","amout":1}`, nil, 400, saysMembers(`"amout"`)},
		{`{"refund_id":"a","order_id":"order-123"}`, nil, 400, saysMembers(`"order_id"`)},
		{`{"refund_id":"a","payment_method":"pm_1"}`, nil, 400, saysMembers(`"payment_method"`)},
		{`{"Refund_Id":"a"}`, nil, 400, `the member "Refund_Id" must be written "refund_id"`},
		{`{"refund_id":1}`, nil, 400, `refund_id must be a JSON string, such as "refund-1"`},
		{`{"refund_id":null}`, nil, 400, `refund_id must be a JSON string, such as "refund-1"`},
		{`{"refund_id":""}`, nil, 400, "refund_id must not be empty"},
		{`{"refund_id":".."}`, nil, 400, "refund_id must not be . or .., because no client can address these in a path"},
		{`{"refund_id":"a b"}`, nil, 400, "refund_id must consist of printable ASCII characters without spaces"},
		{`{"refund_id":"` + strings.Repeat("a", 129) + `"}`, nil, 400, "refund_id must have at most 128 characters"},
		{`{"refund_id":"` + card + `"}`, nil, 400, "refund_id must not be a card number; use an id of your own"},
		{`{"refund_id":"a","reason":"card ` + card + `"}`, nil, 400, "reason must not contain a card number"},
		{`{"refund_id":"a","reason":"` + strings.Repeat("a", 501) + `"}`, nil, 400, "reason must have at most 500 bytes"},
		{`{"refund_id":"a","reason":""}`, nil, 400, "reason must not be empty; leave it out if there is none"},
		{`{"refund_id":"a","reason":"a\nb"}`, nil, 400, "reason must be text in one line, without control characters"},
		{`{"refund_id":"a","reason":null}`, nil, 400, "reason must be a JSON string, or be left out"},
		{`{"refund_id":"a","amount":0}`, nil, 400, saysZero},
		{`{"refund_id":"a","amount":-1}`, nil, 400, saysMinus},
		{`{"refund_id":"a","amount":1e2}`, nil, 400, saysExponent},
		{`{"refund_id":"a","amount":0.001}`, nil, 400, saysCents},
		{`{"refund_id":"a","amount":null}`, nil, 400, saysAmount},
		{`{"refund_id":"a","amount":1,"currency":"XXQ"}`, nil, 400, saysCode},
		{`{"refund_id":"a","currency":"USD"}`, nil, 400, "currency must be left out if there is no amount"},
		{oneRefund, []string{"Content-Type: text/plain"}, 415, "the header Content-Type must be given once, as application/json"},
		{oneRefund, []string{"Content-Encoding: gzip"}, 415, "the body must be sent without Content-Encoding"},
		{strings.Repeat(" ", 65537), nil, 413, "the body must have at most 65536 bytes"},
	} {
		p := answering(approved)
		s := serve(t, p)
		got := s.refund(test.body, test.header...)
		require.Equal(t, test.status, got.status, test.body[:min(len(test.body), 80)])
		require.Equal(t, test.sentence, got.sentence(t))
		p.requireUntouched(t)
		require.NotContains(t, s.log.lines.String(), card)
	}
	p := answering(approved)
	s := serve(t, p)
	got := s.request(http.MethodPost, "/payments/order-123/refunds?amount=1", oneRefund, "Content-Type: application/json")
	require.Equal(t, 400, got.status)
	require.Equal(t, "this path takes no query string; put refund_id, amount, currency and reason into the JSON body", got.sentence(t))
	got = s.request(http.MethodPost, "/payments/a%20b/refunds", oneRefund, "Content-Type: application/json")
	require.Equal(t, 400, got.status)
	require.Equal(t, saysCharacters, got.sentence(t))
	p.requireUntouched(t)
}

func TestRefund_Error_IsMapped(t *testing.T) {
	t.Parallel()
	const again = "; send the same request again: a refund is made once only"
	exceeds := &payment.OperationRefusedError{
		Why: "the refund exceeds what is left of the payment: 75.00 USD; refund at most that", Left: money(t, "75", "USD"),
	}
	for _, test := range []struct {
		err        error
		status     int
		kind       string
		sentence   string
		retryAfter string
	}{
		{payment.ErrChargeOpen, 409, "payment-open", "the outcome of the payment is not known yet, so nothing can be refunded; send the same request again later", "5"},
		{exceeds, 422, "refund-refused", exceeds.Why, ""},
		{ports.ErrNotFound, 404, "no-such-payment", "there is no payment with this order id; order ids are case-sensitive", ""},
		{core.ErrMismatch, 422, "refund-mismatch", "the refund_id is known with another amount or currency; repeat those, or use a new refund_id", ""},
		{core.ErrBusy, 409, "refund-in-progress", "another request is processing this refund; send the same request again later", "1"},
		{core.ErrForeignGateway, 409, "other-gateway", "the payment was charged at a gateway that this service is not configured for; add the gateway to the settings, and send the same request again", "60"},
		{&core.GatewaysUnavailableError{RetryAfter: 3 * time.Second}, 503, "gateway-unavailable", "no gateway for this payment can be reached; nothing was refunded by this request; send it again later", "3"},
		{ports.ErrUnavailable, 503, "database-unavailable", "the database is not available; nothing was refunded by this request; send it again later", "2"},
		{ports.ErrNotWritable, 503, "database-unavailable", "the database accepts no writes; nothing was refunded by this request; send it again later", "2"},
		{ports.ErrInDoubt, 503, "outcome-in-doubt", "the connection to the database was lost before it confirmed that this request was stored" + again, "2"},
		{context.DeadlineExceeded, 503, "request-cut-short", "the service stopped waiting before the refund was decided" + again, "1"},
		{errors.New("hunter2"), 500, "internal-error", "internal error; it is safe to retry the same request", ""},
	} {
		for _, err := range []error{test.err, fmt.Errorf("claim payment: %w", test.err)} {
			s := serve(t, failing(err))
			got := s.refund(oneRefund)
			require.Equal(t, test.status, got.status, test.kind)
			require.Equal(t, test.sentence, got.sentence(t))
			require.Equal(t, test.retryAfter, got.header.Get("Retry-After"), test.kind)
			got = s.refund(oneRefund, "Accept: "+problemMedia)
			require.Contains(t, got.body, `"type":"urn:paymentd:problem:`+test.kind+`"`)
			require.Contains(t, got.body, `"detail":"`+test.sentence+`"`)
		}
	}
}

func TestRefund_OfAPaymentThatHasNotSucceeded_SaysItsState(t *testing.T) {
	t.Parallel()
	s := serve(t, failing(&payment.OperationRefusedError{Why: "the payment is voided", State: payment.StateVoided}))
	got := s.refund(oneRefund)
	require.Equal(t, 422, got.status)
	require.JSONEq(t, `{"error":"the payment is voided","state":"voided"}`, got.body)
}

// refundedHistory is a payment of 100.00 USD with a refund that succeeded, one that is unresolved, and one whose money
// came back.
func refundedHistory(t *testing.T) ports.History {
	t.Helper()
	operation := func(name, amount string, after time.Duration, p payment.Payment) ports.History {
		p.OrderID, p.Operation, p.Money = "order-123", payment.OperationID{Kind: payment.KindRefund, Name: name}, money(t, amount, "USD")
		p.CreatedAt, p.UpdatedAt, p.SeenAt = at(after), at(after+time.Second), at(time.Hour)
		p.Fence, p.GatewayKey = 1, payment.GatewayKey("key-"+name)
		p.Attempt = payment.Attempt{
			Number: 1, Fence: 1, Replica: "a", GatewayKey: p.GatewayKey, StartedAt: at(after), EndedAt: at(after + time.Second), Class: payment.ClassApproved,
		}
		return ports.History{Payment: p, Attempts: []payment.Attempt{p.Attempt}}
	}
	returned := operation("r-3", "5", 2*time.Minute, payment.Payment{
		State: payment.StateDeclined, Code: payment.CodeRefundReturned, Reason: "account closed",
	})
	returned.Events = []payment.Event{{At: at(3 * time.Minute), Kind: payment.EventReturned, Replica: "a", Fence: 2}}
	unresolved := operation("r-2", "30", time.Minute, payment.Payment{State: payment.StateUnresolved, Reason: "no answer"})
	unresolved.Payment.Attempt.Class = payment.ClassUnknownUnanswered
	unresolved.Attempts[0].Class = payment.ClassUnknownUnanswered
	return ports.History{
		Payment: payment.Payment{
			OrderID: "order-123", Money: money(t, "100", "USD"), State: payment.StateSucceeded, TransactionID: "txn-1",
			RefundReserved: 5500, CreatedAt: at(0), UpdatedAt: at(0), SeenAt: at(time.Hour), Attempt: payment.Attempt{Number: 1},
		},
		Operations: []ports.History{
			operation("r-1", "25", time.Minute, payment.Payment{
				State: payment.StateSucceeded, TransactionID: "txn-2", Note: "damaged", Gateway: "https://gateway.example",
			}), unresolved, returned,
		},
	}
}

const refundR1 = `{"kind":"refund","refund_id":"r-1","state":"succeeded","amount":"25.00","currency":"USD","reason":"damaged",` +
	`"transaction_id":"txn-2","created_at":"2026-03-04T12:01:00.000000Z","updated_at":"2026-03-04T12:01:01.000000Z",` +
	`"gateway":"https://gateway.example","attempts":[{"number":1,"started_at":"2026-03-04T12:01:00.000000Z",` +
	`"ended_at":"2026-03-04T12:01:01.000000Z","class":"approved","gateway_key":"key-r-1","replica":"a","fence":1}]}`

func TestLookUp_Refunds_AreShown(t *testing.T) {
	t.Parallel()
	s := serve(t, knowing(refundedHistory(t)))

	one := s.get("/payments/order-123/refunds/r-1")
	require.Equal(t, 200, one.status)
	one.requireBody(t, strings.TrimSuffix(refundR1, "}")+`,"timeline":[`+
		`{"at":"2026-03-04T12:01:00.000000Z","kind":"created","operation":"refund","refund_id":"r-1"},`+
		`{"at":"2026-03-04T12:01:00.000000Z","kind":"claimed","replica":"a","fence":1,"operation":"refund","refund_id":"r-1"},`+
		`{"at":"2026-03-04T12:01:00.000000Z","kind":"attempt","replica":"a","fence":1,"attempt":1,"class":"approved","operation":"refund","refund_id":"r-1"},`+
		`{"at":"2026-03-04T12:01:01.000000Z","kind":"settled","replica":"a","fence":1,"state":"succeeded","operation":"refund","refund_id":"r-1"}]}`)
	returned := s.get("/payments/order-123/refunds/r-3")
	require.Contains(t, returned.body, `"state":"declined","amount":"5.00","currency":"USD","code":"refund_returned","state_reason":"account closed"`)
	missing := s.get("/payments/order-123/refunds/R-1")
	require.Equal(t, 404, missing.status)
	require.Equal(t, "the order has no refund with this refund_id; refund ids are case-sensitive", missing.sentence(t))
	require.Equal(t, 400, s.get("/payments/order-123/refunds/a%20b").status)
	require.Equal(t, 400, s.get("/payments/a%20b/refunds/r-1").status)
	require.Equal(t, 400, s.get("/payments/a%20b/refunds").status)

	list := s.get("/payments/order-123/refunds")
	require.Equal(t, 200, list.status)
	require.True(t, strings.HasPrefix(list.body, `{"refunds":[`+refundR1+`,{"kind":"refund","refund_id":"r-2",`), list.body)

	whole := s.get("/payments/order-123")
	require.Contains(t, whole.body, `"refunded":"25.00","refundable":"45.00","operations":[`+refundR1+`,`)
	require.Contains(t, whole.body, `{"at":"2026-03-04T12:03:00.000000Z","kind":"refund_returned","replica":"a","fence":2,"operation":"refund","refund_id":"r-3"}]`)

	nothing := serve(t, &processor{})
	for _, path := range []string{"/payments/x/refunds", "/payments/x/refunds/r-1"} {
		got := nothing.get(path)
		require.Equal(t, 404, got.status)
		require.Equal(t, "there is no payment with this order id; order ids are case-sensitive", got.sentence(t))
	}
	none := serve(t, knowing(ports.History{Payment: payment.Payment{OrderID: "o", Money: money(t, "1", "USD"), State: payment.StateDeclined}}))
	none.get("/payments/o/refunds").requireBody(t, `{"refunds":[]}`)
	require.NotContains(t, none.get("/payments/o").body, "refund")
}

// A payment's timeline has the entries of its refunds, each with the refund's id and in the order of time.
func TestTimeline_Refunds_AreInIt(t *testing.T) {
	t.Parallel()
	s := story{t: t, now: at(time.Hour)}
	h := refundedHistory(t)
	require.Equal(t, []string{
		"0s created",
		"1m0s r-1 created", "1m0s r-1 claimed a/1", "1m0s r-1 attempt a/1 #1 approved",
		"1m0s r-2 created", "1m0s r-2 claimed a/1", "1m0s r-2 attempt a/1 #1 unknown_unanswered",
		"1m1s r-1 settled a/1 succeeded", "1m1s r-2 settled a/1 unresolved",
		"2m0s r-3 created", "2m0s r-3 claimed a/1", "2m0s r-3 attempt a/1 #1 approved",
		"2m1s r-3 settled a/1 succeeded",
		"3m0s r-3 refund_returned a/2",
	}, s.textOf(h))
}

func TestRequestLog_Refund_HasItsID(t *testing.T) {
	t.Parallel()
	s := serve(t, answering(core.Answer{State: payment.StateDeclined, Code: "c", Reason: "no money", Attempts: 1}))
	s.refund(oneRefund)
	line := s.line()
	require.Equal(t, map[string]any{
		"level": "INFO", "method": "POST", "route": "/payments/:order_id/refunds", "status": 402.0, "client": "127.0.0.1",
		"order_id": "order-123", "refund_id": "refund-1", "state": "declined", "attempts": 1.0, "replayed": false, "code": "c",
		"reason": "no money",
	}, line)

	s = serve(t, knowing(refundedHistory(t)))
	s.get("/payments/order-123/refunds/r-1")
	require.Equal(t, map[string]any{
		"level": "INFO", "method": "GET", "route": "/payments/:order_id/refunds/:refund_id", "status": 200.0,
		"order_id": "order-123", "refund_id": "r-1", "state": "succeeded", "attempts": 1.0, "replayed": false,
	}, s.line())
}
