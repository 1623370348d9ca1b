package squaregateway_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/squaregateway"
	"paymentd/adapters/squaregateway/squarefake"
	"paymentd/core/payment"
)

// endKey is the gateway key of a capture or a void.
const endKey payment.GatewayKey = "0193a1f2-7c1e-7a55-9d43-2f6f0f9b1c03"

// hold returns a charge that only holds the money.
func hold(t testing.TB) payment.Charge {
	t.Helper()
	c := charge(t, cardOK)
	c.Capture = payment.CaptureManual
	return c
}

// holdRef is [bench.ref] of a hold.
func (b bench) holdRef() payment.ChargeRef {
	ref := b.ref()
	ref.Capture = payment.CaptureManual
	return ref
}

// end makes an attempt and requires its class.
func (b bench) end(c payment.Charge, want payment.Class) payment.Result {
	b.t.Helper()
	r := b.Charge(b.t.Context(), c)
	require.Equal(b.t, want, r.Class, r.Message)
	require.Equal(b.t, r, r.Sanitized())
	require.LessOrEqual(b.t, len(r.Message), payment.MaxMessageBytes)
	return r
}

// held makes a hold of 100.00, and returns a capture or a void of it.
func (b bench) held(kind payment.Kind, amount string) payment.Charge {
	b.t.Helper()
	r := b.end(hold(b.t), payment.ClassAuthorized)
	return payment.Charge{
		Key: endKey, OrderID: "order-1", Operation: payment.OperationID{Kind: kind},
		Of: payment.ChargeID{Key: key, TransactionID: r.TransactionID}, Money: money(b.t, amount, "USD"),
	}
}

// endRef returns what the service knows of a capture or a void.
func endRef(c payment.Charge) payment.ChargeRef {
	return payment.ChargeRef{Key: c.Key, OrderID: c.OrderID, Operation: c.Operation, Of: c.Of, Money: c.Money}
}

// A hold is created like any charge, but for the time after which Square cancels it: the longest, which is the default.
// Square says when that is.
func TestHold_Request_AndItsExpiry(t *testing.T) {
	t.Parallel()
	for _, hidden := range []bool{false, true} {
		b := newBench(t, squarefake.Options{NoExpiry: hidden})
		began := b.fake.Now()
		first := b.end(hold(t), payment.ClassAuthorized)
		require.Equal(t, []string{"POST /v2/payments"}, b.paths())
		var body map[string]any
		require.NoError(t, json.Unmarshal([]byte(b.fake.Calls()[0].Body), &body))
		require.Equal(t, map[string]any{
			"idempotency_key": string(key), "reference_id": string(key), "source_id": string(cardOK), "note": "order-1",
			"amount_money": map[string]any{"amount": 10000.0, "currency": "USD"}, "location_id": squarefake.DefaultLocation,
			"autocomplete": false, "delay_action": "CANCEL",
		}, body)
		if hidden {
			require.True(t, first.HoldExpires.IsZero())
		} else {
			require.WithinDuration(t, began.Add(7*24*time.Hour), first.HoldExpires, time.Minute)
		}
		require.Equal(t, first, b.end(hold(t), payment.ClassAuthorized), "a repeat")
		require.Equal(t, b.fake.Calls()[0].Body, b.fake.Calls()[1].Body)
		b.fake.Advance(time.Minute)
		for _, reference := range []string{"", first.TransactionID} {
			ref := b.holdRef()
			ref.Reference = reference
			require.Equal(t, payment.Lookup{
				Result: payment.FoundAuthorized, TransactionID: first.TransactionID, HoldExpires: first.HoldExpires,
			}, b.lookUp(ref, payment.FoundAuthorized))
		}
		require.Zero(t, b.fake.Charges(string(key)))
	}
}

// A capture takes exactly its amount, and the version of the payment that has it.
func TestCapture_Requests(t *testing.T) {
	t.Parallel()
	type call struct {
		request string
		body    map[string]any
	}
	for amount, want := range map[string][]call{
		"100": {{"GET /v2/payments/ID", nil}, {"POST /v2/payments/ID/complete", map[string]any{"version_token": "v0"}}},
		"60": {
			{"GET /v2/payments/ID", nil},
			{"PUT /v2/payments/ID", map[string]any{"payment": map[string]any{
				"amount_money": map[string]any{"amount": 6000.0, "currency": "USD"}, "version_token": "v0",
			}}},
			{"POST /v2/payments/ID/complete", map[string]any{"version_token": "v1"}},
		},
	} {
		b := newBench(t, squarefake.Options{})
		c := b.held(payment.KindCapture, amount)
		r := b.end(c, payment.ClassApproved)
		require.Equal(t, payment.Result{Class: payment.ClassApproved, TransactionID: c.Of.TransactionID, Answered: true}, r)
		var got []call
		for _, made := range b.fake.Calls()[1:] {
			one := call{request: strings.Replace(made.Method+" "+made.Path, c.Of.TransactionID, "ID", 1)}
			if made.Body != "" {
				require.NoError(t, json.Unmarshal([]byte(made.Body), &one.body))
			}
			if updateKey, ok := one.body["idempotency_key"].(string); ok {
				require.Len(t, updateKey, 40)
				delete(one.body, "idempotency_key")
			}
			got = append(got, one)
		}
		require.Equal(t, want, got)
		require.Equal(t, c.Money.Minor(), b.fake.Taken(c.Of.TransactionID))
		require.Equal(t, payment.Lookup{Result: payment.FoundApproved, TransactionID: c.Of.TransactionID}, b.lookUp(endRef(c), payment.FoundApproved))
		b.fake.Advance(time.Minute)
		l := b.lookUp(b.holdRef(), payment.FoundApproved)
		if amount == "60" {
			require.Equal(t, c.Money, l.Captured)
		} else {
			require.True(t, l.Captured.IsZero(), "all")
		}
		b.end(c, payment.ClassApproved) // a repeat completes nothing
		require.Len(t, b.fake.Calls()[1:], len(want)+3)
	}
}

// What cannot be captured or voided by Square is not sent. An empty id would turn CancelPayment into the call that
// cancels by key (square-dotnet-sdk#13).
func TestHold_Impossible_IsNotSent(t *testing.T) {
	t.Parallel()
	for _, kind := range []payment.Kind{payment.KindCapture, payment.KindVoid} {
		b := newBench(t, squarefake.Options{})
		right := b.held(kind, "60")
		calls := len(b.paths())
		for name, change := range map[string]func(*payment.Charge){
			"no key":     func(c *payment.Charge) { c.Key = "" },
			"no payment": func(c *payment.Charge) { c.Of.TransactionID = "" },
			"a path":     func(c *payment.Charge) { c.Of.TransactionID = ".." },
			"a currency": func(c *payment.Charge) { c.Money = money(t, "25", "SEK") },
		} {
			c := right
			change(&c)
			require.Contains(t, b.end(c, payment.ClassRejected).Message, "nothing was sent", name)
		}
		ref := endRef(right)
		ref.Of.TransactionID = ""
		b.lookUp(ref, payment.FoundNoAnswer)
		require.Len(t, b.paths(), calls)
	}
}

// A hold that a capture, a void, a person or the expiry has ended. COMPLETED cannot be cancelled, and the other way round.
func TestHold_EndedBefore(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		end           func(b bench, id string)
		capture, void payment.Class
		charge        payment.LookupResult
	}{
		"captured with this amount": {
			func(b bench, id string) {
				require.NoError(b.t, b.fake.Update(id, 6000))
				require.NoError(b.t, b.fake.End(id, "COMPLETED"))
			},
			payment.ClassApproved, payment.ClassDeclined, payment.FoundApproved,
		},
		"captured with another amount": {
			func(b bench, id string) { require.NoError(b.t, b.fake.End(id, "COMPLETED")) },
			payment.ClassDeclined, payment.ClassDeclined, payment.FoundApproved,
		},
		"voided": {
			func(b bench, id string) { require.NoError(b.t, b.fake.End(id, "CANCELED")) },
			payment.ClassDeclined, payment.ClassApproved, payment.FoundVoided,
		},
		"expired": {
			func(b bench, _ string) { b.fake.Advance(7*24*time.Hour + time.Second) },
			payment.ClassDeclined, payment.ClassApproved, payment.FoundVoided,
		},
	} {
		for kind, want := range map[payment.Kind]payment.Class{payment.KindCapture: tt.capture, payment.KindVoid: tt.void} {
			t.Run(name+", "+string(kind), func(t *testing.T) {
				t.Parallel()
				b := newBench(t, squarefake.Options{})
				c := b.held(kind, "60")
				b.lookUp(endRef(c), payment.FoundNothing)
				tt.end(b, c.Of.TransactionID)
				r := b.end(c, want)
				require.True(t, r.Answered)
				if want == payment.ClassDeclined {
					code := map[payment.LookupResult]string{payment.FoundApproved: payment.DeclineSucceeded, payment.FoundVoided: payment.DeclineVoided}[tt.charge]
					require.Equal(t, code, r.Code)
					require.Equal(t, r.Code, b.lookUp(endRef(c), payment.FoundVoided).Code)
				} else {
					require.Equal(t, r.TransactionID, b.lookUp(endRef(c), payment.FoundApproved).TransactionID)
				}
				ref := b.holdRef()
				ref.Reference, ref.Sent = c.Of.TransactionID, b.fake.Now()
				b.lookUp(ref, tt.charge)
			})
		}
	}
}

// rateLimited and internal are errors of Square.
var (
	rateLimited = []squarefake.Error{{Category: "RATE_LIMIT_ERROR", Code: "RATE_LIMITED"}}
	internal    = []squarefake.Error{{Category: "API_ERROR", Code: "INTERNAL_SERVER_ERROR"}}
)

// Every call of a capture and of a void whose answer is lost or wrong: what it proves, and that a repeat ends the hold
// once, with the amount.
func TestHold_Faults(t *testing.T) {
	t.Parallel()
	const (
		unknown = payment.ClassUnknownAnswered
		running = payment.ClassUnknownUnanswered
		not     = payment.ClassNotCharged
	)
	proxy := squarefake.Fault{Status: 503, Body: "<html>"}
	for name, tt := range map[string]struct {
		call  string
		fault squarefake.Fault
		want  payment.Class
	}{
		"the payment is not read":          {"get", squarefake.Fault{Close: true, Skip: true, Times: 2}, not},
		"the payment is read from a cache": {"get", squarefake.Fault{Header: map[string]string{"Age": "7"}}, not},
		"a proxy answers for it":           {"get", proxy, not},
		"a rate limit on reading":          {"get", squarefake.Fault{Skip: true, Status: 429, Errors: rateLimited}, not},
		"the update is lost":               {"update", squarefake.Fault{Close: true, Skip: true}, not},
		"the answer to the update is lost": {"update", squarefake.Fault{Close: true}, not},
		"a proxy answers the update":       {"update", proxy, not},
		"a conflict of the update":         {"update", squarefake.Fault{Skip: true, Status: 409, Errors: []squarefake.Error{{Category: "INVALID_REQUEST_ERROR", Code: "CONFLICT"}}}, not},
		"a 500 of the update":              {"update", squarefake.Fault{Skip: true, Status: 500, Errors: internal}, not},
		"another version":                  {"update", squarefake.Fault{Skip: true, Status: 400, Errors: []squarefake.Error{{Category: "INVALID_REQUEST_ERROR", Code: "VERSION_MISMATCH"}}}, not},
		"another amount":                   {"update", squarefake.Fault{Skip: true, Status: 200, Body: `{"payment":{"id":"fake00000001ZY","status":"APPROVED","reference_id":"` + string(key) + `","amount_money":{"amount":6001,"currency":"USD"}}}`}, not},
		"the capture is lost":              {"complete", squarefake.Fault{Close: true, Skip: true}, running},
		"the answer to it is lost":         {"complete", squarefake.Fault{Close: true}, payment.ClassApproved},
		"a proxy answers it":               {"complete", proxy, payment.ClassApproved},
		"a 500 after it":                   {"complete", squarefake.Fault{Status: 500, Errors: internal}, payment.ClassApproved},
		"a 500 before it":                  {"complete", squarefake.Fault{Skip: true, Status: 500, Errors: internal}, unknown},
		"a rate limit on it":               {"complete", squarefake.Fault{Skip: true, Status: 429, Errors: rateLimited}, unknown},
		"still APPROVED":                   {"complete", squarefake.Fault{Skip: true, Status: 200, Body: `{"payment":{"id":"fake00000001ZY","status":"APPROVED","reference_id":"` + string(key) + `"}}`}, unknown},
		"an answer from a cache":           {"complete", squarefake.Fault{Header: map[string]string{"Age": "7"}}, payment.ClassApproved},
		"of another payment":               {"complete", squarefake.Fault{Skip: true, Status: 200, Body: `{"payment":{"id":"other","status":"COMPLETED","reference_id":"other"}}`}, running},
		"the void is lost":                 {"cancel", squarefake.Fault{Close: true, Skip: true}, running},
		"the answer to the void is lost":   {"cancel", squarefake.Fault{Close: true}, payment.ClassApproved},
		"a proxy answers the void":         {"cancel", proxy, payment.ClassApproved},
		"a 500 before the void":            {"cancel", squarefake.Fault{Skip: true, Status: 500, Errors: internal}, unknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, squarefake.Options{})
			kind := payment.KindCapture
			if tt.call == "cancel" {
				kind = payment.KindVoid
			}
			c := b.held(kind, "60")
			tt.fault.Call = tt.call
			b.fake.Inject(tt.fault)
			r := b.end(c, tt.want)
			require.Equal(t, tt.want == payment.ClassApproved || r.Answered, r.Answered)
			found := payment.FoundNothing
			if tt.want == payment.ClassApproved {
				found = payment.FoundApproved
			}
			b.lookUp(endRef(c), found)
			b.end(c, payment.ClassApproved)
			b.lookUp(endRef(c), payment.FoundApproved)
			want := map[payment.Kind]int64{payment.KindCapture: 6000, payment.KindVoid: 0}[kind]
			require.Equal(t, want, b.fake.Taken(c.Of.TransactionID))
			require.Len(t, b.fake.IDs(string(key)), 1)
		})
	}
}

// The state of a payment cannot be read after its capture: the outcome remains unknown.
func TestCapture_StateCannotBeRead(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{})
	c := b.held(payment.KindCapture, "60")
	b.fake.Inject(squarefake.Fault{Call: "get"}) // as it is
	b.fake.Inject(squarefake.Fault{Call: "complete", Status: 500, Errors: internal})
	b.fake.Inject(squarefake.Fault{Call: "get", Status: 502, Body: "<html>", Times: 2})
	b.end(c, payment.ClassUnknownAnswered)
	b.lookUp(endRef(c), payment.FoundNoAnswer)
	b.lookUp(endRef(c), payment.FoundApproved)
}

// An update of an attempt that was given up arrives late, while another capture runs: no other amount is taken than the
// one that was asked for.
func TestCapture_LateUpdate_TakesNoOtherAmount(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{})
	c := b.held(payment.KindCapture, "60")
	arrived, release := make(chan struct{}), make(chan struct{})
	b.fake.Inject(squarefake.Fault{Call: "complete", Arrived: arrived, Release: release})
	go func() {
		defer close(release)
		<-arrived
		_ = b.fake.Update(c.Of.TransactionID, 3000) // between UpdatePayment and CompletePayment
	}()
	r := b.end(c, payment.ClassUnknownAnswered)
	require.Contains(t, r.Message, "VERSION_MISMATCH")
	require.Zero(t, b.fake.Taken(c.Of.TransactionID))
	b.lookUp(endRef(c), payment.FoundNothing)
	b.end(c, payment.ClassApproved)
	require.EqualValues(t, 6000, b.fake.Taken(c.Of.TransactionID))
}

// Square refuses the change of the amount, as for sellers in Australia and Japan: nothing was captured, and the hold
// can be captured whole.
func TestCapture_UpdateIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{NoUpdates: true})
	c := b.held(payment.KindCapture, "60")
	r := b.end(c, payment.ClassRejected)
	require.True(t, r.Answered)
	b.lookUp(endRef(c), payment.FoundNothing)
	require.Zero(t, b.fake.Taken(c.Of.TransactionID))
	b.fake.Inject(squarefake.Fault{Call: "update", Skip: true, Status: 400, Errors: []squarefake.Error{{Category: "PAYMENT_METHOD_ERROR", Code: "INSUFFICIENT_FUNDS"}}})
	require.Equal(t, payment.DeclineFunds, b.end(c, payment.ClassDeclined).Code)
	c.Money = money(t, "100", "USD")
	b.end(c, payment.ClassApproved)
}

// A payment that Square does not have, and a token that has expired: nothing was captured.
func TestHold_Rejected(t *testing.T) {
	t.Parallel()
	token := squarefake.DefaultToken
	b := newBench(t, squarefake.Options{}, func(o *squaregateway.Options) { o.Token = func() string { return token } })
	c := b.held(payment.KindCapture, "60")
	other := c
	other.Of.TransactionID = "unknown"
	require.True(t, b.end(other, payment.ClassRejected).Answered)
	other.Of = payment.ChargeID{Key: "another", TransactionID: c.Of.TransactionID}
	require.False(t, b.end(other, payment.ClassNotCharged).Answered, "the payment has another key")
	b.lookUp(endRef(other), payment.FoundNoAnswer)
	other.Of, other.Operation.Kind = payment.ChargeID{Key: key, TransactionID: "unknown"}, payment.KindVoid
	require.True(t, b.end(other, payment.ClassRejected).Answered)
	token = "expired"
	b.end(c, payment.ClassRejected)
	void := c
	void.Operation.Kind = payment.KindVoid
	b.end(void, payment.ClassUnknownAnswered)
	token = squarefake.DefaultToken
	b.lookUp(endRef(c), payment.FoundNothing)
}

func TestHold_Unreachable_IsNotCharged(t *testing.T) {
	t.Parallel()
	g := newGateway(t, http.NotFoundHandler(), time.Now, func(o *squaregateway.Options) { o.BaseURL = "http://127.0.0.1:1" })
	for _, kind := range []payment.Kind{payment.KindCapture, payment.KindVoid} {
		r := g.Charge(t.Context(), payment.Charge{
			Key: endKey, OrderID: "o", Operation: payment.OperationID{Kind: kind}, Of: payment.ChargeID{Key: key, TransactionID: "p"},
			Money: money(t, "1", "USD"),
		})
		require.Equal(t, payment.ClassNotCharged, r.Class, r.Message)
		require.False(t, r.Answered)
	}
}

// A charge that is not manual is held for as long as its attempts need, and is not authorized.
func TestLookUp_HoldOfAnAutomaticCharge_IsProcessing(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{})
	b.fake.Inject(squarefake.Fault{Call: "complete", Skip: true, Close: true})
	b.charge(cardOK, payment.ClassUnknownUnanswered)
	b.fake.Advance(time.Minute)
	b.lookUp(b.ref(), payment.FoundProcessing)
	page, err := b.Charges(t.Context(), payment.LedgerQuery{From: b.fake.Now().Add(-time.Hour), To: b.fake.Now()})
	require.NoError(t, err)
	require.Equal(t, payment.FoundProcessing, page.Charges[0].State)
}

// A hold is listed as authorized, and only a void releases it: the cancellation of a pending charge comes too late.
func TestHold_IsListedAndNotCancelled(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{})
	c := b.held(payment.KindCapture, "60")
	b.fake.Advance(time.Minute)
	page, err := b.Charges(t.Context(), payment.LedgerQuery{From: b.fake.Now().Add(-time.Hour), To: b.fake.Now()})
	require.NoError(t, err)
	require.Len(t, page.Charges, 1)
	require.Equal(t, payment.FoundAuthorized, page.Charges[0].State)
	require.Equal(t, c.Of.TransactionID, page.Charges[0].TransactionID)
	l := b.cancel(b.holdRef(), payment.FoundAuthorized)
	require.Equal(t, c.Of.TransactionID, l.TransactionID)
	require.Equal(t, "APPROVED", b.fake.Status(c.Of.TransactionID))
	require.Equal(t, payment.FoundNothing, b.Cancel(t.Context(), endRef(c)).Result, "a capture is only looked up")
}

// A repeat of a hold that was captured in part meanwhile is not decided by the attempt: the lookup has the amount.
func TestHold_RepeatAfterAPartWasCaptured(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{})
	c := b.held(payment.KindCapture, "60")
	b.end(c, payment.ClassApproved)
	r := b.end(hold(t), payment.ClassUnknownAnswered)
	require.Equal(t, c.Of.TransactionID, r.Reference)
	ref := b.holdRef()
	ref.Reference = r.Reference
	require.Equal(t, c.Money, b.lookUp(ref, payment.FoundApproved).Captured)
	ref.Capture, ref.Money = payment.CaptureAutomatic, money(t, "50", "USD")
	b.lookUp(ref, payment.FoundNoAnswer) // more than was asked for: an operator must look
}

// The events of a hold.
func TestEvent_OfAHold(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{})
	c := b.held(payment.KindCapture, "60")
	w := squaregateway.Webhook{SignatureKey: "key", NotificationURL: "https://pay.example/events"}
	says := func() payment.LookupResult {
		t.Helper()
		header, body, err := b.fake.Event("payment.updated", c.Of.TransactionID, w.SignatureKey, w.NotificationURL)
		require.NoError(t, err)
		e, err := w.Event(header, body)
		require.NoError(t, err)
		require.Equal(t, key, e.Key)
		return e.Says()
	}
	require.Equal(t, payment.FoundAuthorized, says())
	b.end(c, payment.ClassApproved)
	require.Equal(t, payment.FoundApproved, says())

	b = newBench(t, squarefake.Options{})
	c = b.held(payment.KindVoid, "100")
	b.end(c, payment.ClassApproved)
	require.Equal(t, payment.FoundVoided, says())
}
