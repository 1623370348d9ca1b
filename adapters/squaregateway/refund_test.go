package squaregateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/squaregateway"
	"paymentd/adapters/squaregateway/squarefake"
	"paymentd/core/payment"
)

// refundKey has the form and the length of the service's own keys.
const refundKey payment.GatewayKey = "0193a1f2-7c1e-7a55-9d43-2f6f0f9b1c02"

// reason is that of the refund with the refundKey.
const reason = "paymentd " + string(refundKey) + " order-1"

// refundOf returns a refund of 25 USD of the payment of [charge], which it makes.
func (b bench) refundOf() payment.Charge {
	b.t.Helper()
	return payment.Charge{
		Key: refundKey, OrderID: "order-1", Operation: payment.OperationID{Kind: payment.KindRefund, Name: "r-1"}, Note: "wrong size",
		Of:    payment.ChargeID{Key: key, Gateway: b.Capabilities().Gateway, TransactionID: b.charge(cardOK, payment.ClassApproved).TransactionID},
		Money: money(b.t, "25", "USD"),
	}
}

// refund makes an attempt at a refund and requires its class.
func (b bench) refund(c payment.Charge, want payment.Class) payment.Result {
	b.t.Helper()
	r := b.Charge(b.t.Context(), c)
	require.Equal(b.t, want, r.Class, r.Message)
	require.Equal(b.t, r, r.Sanitized())
	require.LessOrEqual(b.t, len(r.Message), payment.MaxMessageBytes)
	return r
}

// refOf returns the reference of a refund before its id is known.
func (b bench) refOf(c payment.Charge) payment.ChargeRef {
	return payment.ChargeRef{
		Key: c.Key, OrderID: c.OrderID, Operation: c.Operation, Of: c.Of, Money: c.Money, Sent: b.fake.Now().Add(-time.Hour),
	}
}

func TestRefund_Request_NamesTheKeyInTheReason(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{})
	c := b.refundOf()
	before := len(b.paths())
	r := b.refund(c, payment.ClassApproved)
	require.Equal(t, payment.Result{Class: payment.ClassApproved, TransactionID: r.TransactionID, Answered: true}, r)
	require.Equal(t, []string{r.TransactionID}, b.fake.RefundIDs(string(refundKey)))
	require.Equal(t, []string{"POST /v2/refunds"}, b.paths()[before:])
	var body map[string]any
	require.NoError(t, json.Unmarshal([]byte(b.fake.Calls()[before].Body), &body))
	require.Equal(t, map[string]any{
		"idempotency_key": string(refundKey), "payment_id": c.Of.TransactionID, "reason": reason,
		"amount_money": map[string]any{"amount": 2500.0, "currency": "USD"},
	}, body)
}

// Nothing differs between attempts, and all attempts with a key are one refund.
func TestRefund_Repeat_IsTheSameRefund(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]squarefake.Options{"": {}, "old answer": {StaleRepeats: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, o)
			c := b.refundOf()
			before := len(b.paths())
			b.fake.Inject(squarefake.Fault{Call: "refund", Close: true})
			b.refund(c, payment.ClassUnknownUnanswered)
			first := b.refund(c, payment.ClassApproved)
			require.Equal(t, first.TransactionID, b.refund(c, payment.ClassApproved).TransactionID)
			require.Equal(t, 1, b.fake.Refunds(string(refundKey)))
			calls := b.fake.Calls()[before:]
			require.Len(t, calls, 3)
			require.Equal(t, calls[0].Body, calls[1].Body)
			require.Equal(t, calls[0].Body, calls[2].Body)

			other := c
			other.Money = money(t, "26", "USD")
			require.True(t, b.refund(other, payment.ClassKeyReused).Answered)
			second := c
			second.Key = "another-key"
			require.NotEqual(t, first.TransactionID, b.refund(second, payment.ClassApproved).TransactionID)
		})
	}
}

// What has neither a refund with our key nor errors of Square's schema proves nothing.
func TestRefund_AnswerWithoutMark_IsUnknown(t *testing.T) {
	t.Parallel()
	own := `"amount_money":{"amount":2500,"currency":"USD"},"payment_id":"fake00000001ZY","reason":"` + reason + `"`
	for name, fault := range map[string]squarefake.Fault{
		"answer lost":         {Close: true},
		"a proxy's page":      {Status: 502, Body: "<html>Bad Gateway</html>"},
		"a proxy's success":   {Status: 200, Body: `{"ok":true}`},
		"errors unlike any":   {Status: 400, Body: `{"errors":[{"code":"REFUND_DECLINED"}]}`},
		"another's refund":    {Status: 200, Body: `{"refund":{"id":"x","status":"COMPLETED","reason":"paymentd other order-1"}}`},
		"another's failure":   {Status: 400, Body: `{"errors":[{"category":"REFUND_ERROR","code":"REFUND_DECLINED"}],"refund":{"id":"x","status":"FAILED","reason":"by hand"}}`},
		"a refund without id": {Status: 200, Body: `{"refund":{"status":"COMPLETED",` + own + `}}`},
		"an id of a path":     {Status: 200, Body: `{"refund":{"id":"..","status":"COMPLETED",` + own + `}}`},
		"a repeated member":   {Status: 200, Body: `{"refund":{"id":"x","id":"y","status":"COMPLETED",` + own + `}}`},
		"names in other case": {Status: 200, Body: `{"Refund":{"Id":"x","Status":"COMPLETED",` + own + `}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, squarefake.Options{})
			c := b.refundOf()
			fault.Call = "refund"
			b.fake.Inject(fault)
			require.False(t, b.refund(c, payment.ClassUnknownUnanswered).Answered)
			require.Equal(t, 1, b.fake.Refunds(string(refundKey)))
			b.lookUp(b.refOf(c), payment.FoundApproved)
			b.refund(c, payment.ClassApproved)
			require.Equal(t, 1, b.fake.Refunds(string(refundKey)))
		})
	}
}

func TestRefund_EachStatus_HasItsClass(t *testing.T) {
	t.Parallel()
	declined := []squarefake.Error{{Category: "REFUND_ERROR", Code: "REFUND_DECLINED"}}
	for name, tt := range map[string]struct {
		status, amount, payment string
		errors                  []squarefake.Error
		want                    payment.Class
		code                    string
	}{
		"completed":          {status: `"COMPLETED"`, want: payment.ClassApproved},
		"pending":            {status: `"PENDING"`, want: payment.ClassPending},
		"rejected":           {status: `"REJECTED"`, want: payment.ClassDeclined, code: payment.DeclineCard},
		"failed":             {status: `"FAILED"`, want: payment.ClassDeclined, code: payment.DeclineCard},
		"failed, with why":   {status: `"FAILED"`, errors: []squarefake.Error{{Category: "REFUND_ERROR", Code: "REFUND_AMOUNT_INVALID"}}, want: payment.ClassDeclined, code: payment.DeclineLimit},
		"rejected, with why": {status: `"REJECTED"`, errors: declined, want: payment.ClassDeclined, code: payment.DeclineCard},
		"a newer state":      {status: `"PAUSED"`, want: payment.ClassUnknownAnswered},
		"no status":          {status: `null`, want: payment.ClassUnknownAnswered},
		"another amount":     {status: `"COMPLETED"`, amount: "2600", want: payment.ClassKeyReused},
		"another payment":    {status: `"PENDING"`, payment: "other", want: payment.ClassKeyReused},
		"failed, another":    {status: `"FAILED"`, amount: "2600", want: payment.ClassDeclined, code: payment.DeclineCard},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, squarefake.Options{})
			c := b.refundOf()
			if tt.amount == "" {
				tt.amount = "2500"
			}
			if tt.payment == "" {
				tt.payment = c.Of.TransactionID
			}
			errors, err := json.Marshal(tt.errors)
			require.NoError(t, err)
			b.fake.Inject(squarefake.Fault{Call: "refund", Skip: true, Status: 200, Body: fmt.Sprintf(
				`{"errors":%s,"refund":{"id":"r1","status":%s,"amount_money":{"amount":%s,"currency":"USD"},"payment_id":%q,"reason":%q}}`,
				errors, tt.status, tt.amount, tt.payment, reason)})
			r := b.refund(c, tt.want)
			require.True(t, r.Answered)
			require.Equal(t, tt.code, r.Code)
			if tt.want == payment.ClassApproved {
				require.Equal(t, "r1", r.TransactionID)
			} else {
				require.Equal(t, "r1", r.Reference)
			}
		})
	}
}

// A refund that moves money, with errors beside it, contradicts itself: what Square has of it decides.
func TestRefund_MadeWithErrorsBeside_IsReadAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{})
	c := b.refundOf()
	id := b.refund(c, payment.ClassApproved).TransactionID
	body := fmt.Sprintf(`{"errors":[{"category":"API_ERROR","code":"INTERNAL_SERVER_ERROR"}],"refund":{"id":%q,"status":"PENDING","reason":%q}}`, id, reason)
	b.fake.Inject(squarefake.Fault{Call: "refund", Status: 500, Body: body})
	require.Equal(t, id, b.refund(c, payment.ClassApproved).TransactionID)
	b.fake.Inject(squarefake.Fault{Call: "refund", Status: 500, Body: body})
	b.fake.Inject(squarefake.Fault{Call: "get_refund", Status: 503, Body: "away"})
	require.Equal(t, id, b.refund(c, payment.ClassUnknownAnswered).Reference)
}

// Each refusal is classified by its category and code, once the payment confirms it.
func TestRefund_Errors_AreClassified(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		category, code, field string
		want                  payment.Class
		ours                  string
	}{
		{"REFUND_ERROR", "REFUND_AMOUNT_INVALID", "amount_money", payment.ClassDeclined, payment.DeclineLimit},
		{"REFUND_ERROR", "PAYMENT_NOT_REFUNDABLE", "", payment.ClassDeclined, payment.DeclineNotPermitted},
		{"REFUND_ERROR", "PAYMENT_NOT_REFUNDABLE_DUE_TO_DISPUTE", "", payment.ClassDeclined, payment.DeclineNotPermitted},
		{"REFUND_ERROR", "REFUND_DECLINED", "", payment.ClassDeclined, payment.DeclineCard},
		{"REFUND_ERROR", "RESERVATION_DECLINED", "", payment.ClassDeclined, payment.DeclineCard},
		{"REFUND_ERROR", "CARD_MISMATCH", "", payment.ClassDeclined, payment.DeclineMethod},
		{"PAYMENT_METHOD_ERROR", "GENERIC_DECLINE", "", payment.ClassDeclined, payment.DeclineCard},
		{"REFUND_ERROR", "REFUND_ALREADY_PENDING", "", payment.ClassNotCharged, ""},
		{"RATE_LIMIT_ERROR", "RATE_LIMITED", "", payment.ClassNotCharged, ""},
		{"REFUND_ERROR", "REFUND_ERROR_PAYMENT_NEEDS_COMPLETION", "payment_id", payment.ClassRejected, ""},
		{"REFUND_ERROR", "INSUFFICIENT_PERMISSIONS_FOR_REFUND", "", payment.ClassRejected, ""},
		{"INVALID_REQUEST_ERROR", "NOT_FOUND", "payment_id", payment.ClassRejected, ""},
		{"INVALID_REQUEST_ERROR", "VALUE_TOO_HIGH", "amount_money", payment.ClassRejected, ""},
		{"AUTHENTICATION_ERROR", "INSUFFICIENT_SCOPES", "", payment.ClassRejected, ""},
		{"INVALID_REQUEST_ERROR", "IDEMPOTENCY_KEY_REUSED", "", payment.ClassKeyReused, ""},
		{"REFUND_ERROR", "A_NEWER_CODE", "", payment.ClassUnknownAnswered, ""},
		{"PAYMENT_METHOD_ERROR", "TEMPORARY_ERROR", "", payment.ClassUnknownAnswered, ""},
		{"API_ERROR", "INTERNAL_SERVER_ERROR", "", payment.ClassUnknownAnswered, ""},
		{"INVALID_REQUEST_ERROR", "CONFLICT", "", payment.ClassUnknownUnanswered, ""},
		{"API_ERROR", "SERVICE_UNAVAILABLE", "", payment.ClassUnknownUnanswered, ""},
	} {
		t.Run(tt.code, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, squarefake.Options{})
			c := b.refundOf()
			before := len(b.paths())
			b.fake.Inject(squarefake.Fault{Call: "refund", Skip: true, Status: 400, Errors: []squarefake.Error{{Category: tt.category, Code: tt.code, Field: tt.field}}})
			r := b.refund(c, tt.want)
			require.True(t, r.Answered)
			require.Equal(t, tt.ours, r.Code)
			require.Contains(t, r.Message, tt.code)
			if !tt.want.Unknown() {
				require.Equal(t, []string{"POST /v2/refunds", "GET /v2/payments/" + c.Of.TransactionID}, b.paths()[before:])
			}
			require.Empty(t, b.fake.RefundIDs(string(refundKey)))
		})
	}
}

// The fake's own refusals, as they come: more than is left, a payment that is not completed or too old, and a 21st
// refund.
func TestRefund_Refused_IsDeclinedOrRejected(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{})
	c := b.refundOf()
	c.Money = money(t, "100.01", "USD")
	require.Equal(t, payment.DeclineLimit, b.refund(c, payment.ClassDeclined).Code)
	c.Money = money(t, "1", "USD")
	for i := range 20 {
		c.Key = payment.GatewayKey(fmt.Sprintf("refund-%d", i))
		b.refund(c, payment.ClassApproved)
	}
	c.Key = "refund-20"
	before := len(b.paths())
	r := b.refund(c, payment.ClassDeclined)
	require.Equal(t, payment.DeclineNotPermitted, r.Code)
	require.True(t, strings.HasPrefix(r.Message, "PAYMENT_NOT_REFUNDABLE"), r.Message)
	require.Len(t, b.paths()[before:], 22, "each refund of the payment is read")

	old := newBench(t, squarefake.Options{})
	c = old.refundOf()
	old.fake.Advance(367 * 24 * time.Hour)
	require.Equal(t, payment.DeclineNotPermitted, old.refund(c, payment.ClassDeclined).Code)

	c.Of = payment.ChargeID{Key: key, TransactionID: "unknown"}
	require.Contains(t, old.refund(c, payment.ClassRejected).Message, "NOT_FOUND")

	pending := newBench(t, squarefake.Options{})
	c = pending.refundOf()
	c.Of = payment.ChargeID{Key: "held", TransactionID: pending.hold("held")}
	pending.refund(c, payment.ClassRejected)
}

// hold makes a payment that is held, and returns its id.
func (b bench) hold(key payment.GatewayKey) string {
	b.t.Helper()
	b.fake.Inject(squarefake.Fault{Call: "complete", Skip: true, Status: 500, Errors: []squarefake.Error{{Category: "API_ERROR", Code: "X"}}})
	c := charge(b.t, cardOK)
	c.Key = key
	require.Equal(b.t, payment.ClassUnknownAnswered, b.Charge(b.t.Context(), c).Class)
	return b.fake.IDs(string(key))[0]
}

// A refusal that was not about this request, because the request made a refund: lists lag, and the payment itself
// has the refund.
func TestRefund_RefusalOfSomethingElse_IsFoundByThePayment(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]payment.Class{"": payment.ClassApproved, "PENDING": payment.ClassPending} {
		for _, e := range []squarefake.Error{
			{Category: "REFUND_ERROR", Code: "REFUND_DECLINED"},
			{Category: "RATE_LIMIT_ERROR", Code: "RATE_LIMITED"},
			{Category: "INVALID_REQUEST_ERROR", Code: "BAD_REQUEST"},
		} {
			b := newBench(t, squarefake.Options{Lag: time.Hour, PendingRefunds: status != ""})
			c := b.refundOf()
			first := c
			first.Key = "an-earlier-refund"
			b.refund(first, want)
			b.fake.Inject(squarefake.Fault{Call: "refund", Status: 400, Errors: []squarefake.Error{e}})
			r := b.refund(c, want)
			require.Equal(t, b.fake.RefundIDs(string(refundKey))[0], r.TransactionID+r.Reference)
		}
	}
}

// A refusal that cannot be confirmed leaves the outcome unknown.
func TestRefund_RefusalUnconfirmed_IsUnknown(t *testing.T) {
	t.Parallel()
	paid := func(more string) string {
		return `{"payment":{"id":"fake00000001ZY","status":"COMPLETED","reference_id":"` + string(key) + `"` + more + `}}`
	}
	ids := strings.TrimSuffix(strings.Repeat(`"r",`, 21), ",")
	for name, faults := range map[string][]squarefake.Fault{
		"no answer":              {{Call: "get", Times: 2, Skip: true, Close: true}},
		"a proxy's page":         {{Call: "get", Status: 200, Body: "<html>It works</html>"}},
		"an error":               {{Call: "get", Status: 401, Errors: []squarefake.Error{{Category: "AUTHENTICATION_ERROR", Code: "UNAUTHORIZED"}}}},
		"another's payment":      {{Call: "get", Status: 200, Body: strings.Replace(paid(""), string(key), "other", 1)}},
		"another payment":        {{Call: "get", Status: 200, Body: strings.Replace(paid(""), "01ZY", "02ZY", 1)}},
		"a cache":                {{Call: "get", Header: map[string]string{"Age": "30"}}},
		"no ids of refunds":      {{Call: "get", Status: 200, Body: paid(`,"refunded_money":{"amount":1,"currency":"USD"}`)}},
		"too many refunds":       {{Call: "get", Status: 200, Body: paid(`,"refund_ids":[` + ids + `]`)}},
		"an unusable id":         {{Call: "get", Status: 200, Body: paid(`,"refund_ids":["r",7]`)}},
		"a refund is missing":    {{Call: "get", Status: 200, Body: paid(`,"refund_ids":["r"]`)}},
		"a payment that is gone": {{Call: "get", Status: 404, Errors: []squarefake.Error{{Category: "INVALID_REQUEST_ERROR", Code: "NOT_FOUND"}}}},
		"a refund's page": {
			{Call: "get", Status: 200, Body: paid(`,"refund_ids":["r"]`)}, {Call: "get_refund", Status: 200, Body: "<html>It works</html>"},
		},
		"another's refund": {
			{Call: "get", Status: 200, Body: paid(`,"refund_ids":["r"]`)}, {Call: "get_refund", Status: 200, Body: `{"refund":{"id":"s"}}`},
		},
		"a refund of a cache": {
			{Call: "get", Status: 200, Body: paid(`,"refund_ids":["r"]`)},
			{Call: "get_refund", Status: 200, Body: `{"refund":{"id":"r"}}`, Header: map[string]string{"Age": "x"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, squarefake.Options{})
			c := b.refundOf()
			b.fake.Inject(squarefake.Fault{
				Call: "refund", Status: 400, Header: map[string]string{"Retry-After": "7"}, // the refund is made
				Errors: []squarefake.Error{{Category: "REFUND_ERROR", Code: "REFUND_DECLINED"}},
			})
			for _, f := range faults {
				b.fake.Inject(f)
			}
			r := b.refund(c, payment.ClassUnknownAnswered)
			require.Contains(t, r.Message, "REFUND_DECLINED")
			if name == "too many refunds" {
				require.Contains(t, r.Message, "not complete", "none is read")
			}
			require.Equal(t, 7*time.Second, r.RetryAfter)
			b.refund(c, payment.ClassApproved)
			require.Equal(t, 1, b.fake.Refunds(string(refundKey)))
		})
	}
}

// A refund that failed at once may have errors beside it, with any status, and a repeat of it may be processed anew.
func TestRefund_FailedAtOnce_IsDeclined(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 400, 500} {
		b := newBench(t, squarefake.Options{FailedRefunds: true, DeclineStatus: status})
		c := b.refundOf()
		r := b.refund(c, payment.ClassDeclined)
		require.Equal(t, payment.DeclineCard, r.Code)
		require.True(t, strings.HasPrefix(r.Message, "REFUND_DECLINED"), r.Message)
		require.Equal(t, []string{r.Reference}, b.fake.RefundIDs(string(refundKey)))
		require.Zero(t, b.fake.Refunds(string(refundKey)))
		b.lookUp(b.refOf(c), payment.FoundDeclined)
		require.Equal(t, payment.DeclineCard, b.refund(c, payment.ClassDeclined).Code)
	}
}

// What cannot be a refund by Square is not sent.
func TestRefund_Impossible_IsNotSent(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{})
	right := b.refundOf()
	calls := len(b.paths())
	for name, change := range map[string]func(*payment.Charge){
		"no key":           func(c *payment.Charge) { c.Key = "" },
		"a long key":       func(c *payment.Charge) { c.Key = payment.GatewayKey(strings.Repeat("k", squaregateway.MaxKeyBytes+1)) },
		"a key of words":   func(c *payment.Charge) { c.Key = "a key" },
		"no payment":       func(c *payment.Charge) { c.Of.TransactionID = "" },
		"a path":           func(c *payment.Charge) { c.Of.TransactionID = ".." },
		"a currency":       func(c *payment.Charge) { c.Money = money(t, "25", "SEK") },
		"a long order":     func(c *payment.Charge) { c.OrderID = payment.OrderID(strings.Repeat("o", 192)) },
		"an unknown kind":  func(c *payment.Charge) { c.Operation.Kind = "weekly" },
		"the longest (no)": nil,
	} {
		c := right
		if change == nil {
			c.Key, c.OrderID = payment.GatewayKey(strings.Repeat("k", squaregateway.MaxKeyBytes)), payment.OrderID(strings.Repeat("o", payment.MaxOrderIDBytes))
			b.refund(c, payment.ClassApproved)
			calls++
			continue
		}
		change(&c)
		require.Contains(t, b.refund(c, payment.ClassRejected).Message, "nothing was sent", name)
	}
	require.Len(t, b.paths(), calls)
	ref := b.refOf(right)
	ref.Operation.Kind = "weekly"
	b.lookUp(ref, payment.FoundNoAnswer)
	require.Len(t, b.paths(), calls)
}

func TestRefund_Unreachable_IsNotCharged(t *testing.T) {
	t.Parallel()
	g := newGateway(t, http.NotFoundHandler(), time.Now, func(o *squaregateway.Options) { o.BaseURL = "http://127.0.0.1:1" })
	r := g.Charge(t.Context(), payment.Charge{
		Key: refundKey, OrderID: "o", Operation: payment.OperationID{Kind: payment.KindRefund, Name: "r"},
		Of: payment.ChargeID{Key: key, TransactionID: "p"}, Money: money(t, "1", "USD"),
	})
	require.Equal(t, payment.ClassNotCharged, r.Class, r.Message)
	require.False(t, r.Answered)
}
