package squaregateway_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/squaregateway"
	"paymentd/adapters/squaregateway/squarefake"
	"paymentd/core/payment"
)

func TestCharge_Requests_HoldAndTake(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{}, func(o *squaregateway.Options) {
		o.Token = func() string { return squarefake.DefaultToken + "\n" } // as in a file
	})
	r := b.charge(cardOK, payment.ClassApproved)
	require.Equal(t, []string{r.TransactionID}, b.fake.IDs(string(key)))
	require.Equal(t, payment.Result{Class: payment.ClassApproved, TransactionID: r.TransactionID, Answered: true}, r)
	require.Equal(t, []string{"POST /v2/payments", "POST /v2/payments/" + r.TransactionID + "/complete"}, b.paths())

	create := b.fake.Calls()[0]
	require.Equal(t, squaregateway.DefaultVersion, create.Header.Get("Square-Version"))
	require.Equal(t, "application/json", create.Header.Get("Content-Type"))
	require.Equal(t, "Bearer "+squarefake.DefaultToken, create.Header.Get("Authorization"))
	var body map[string]any
	require.NoError(t, json.Unmarshal([]byte(create.Body), &body))
	require.Equal(t, map[string]any{
		"idempotency_key": string(key), "reference_id": string(key), "source_id": string(cardOK), "note": "order-1",
		"amount_money": map[string]any{"amount": 10000.0, "currency": "USD"}, "location_id": squarefake.DefaultLocation,
		"autocomplete": false, "delay_action": "CANCEL", "delay_duration": "PT15M",
	}, body)
}

// Nothing differs between attempts: Square refuses a key that comes with another body
// (square-mcp-server#31, woocommerce-square#106: a new key on a retry charges twice).
func TestCharge_Repeat_SendsTheSameBytes(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{})
	b.fake.Inject(squarefake.Fault{Call: "create", Skip: true, Status: 429, Errors: []squarefake.Error{{Category: "RATE_LIMIT_ERROR", Code: "RATE_LIMITED"}}})
	b.fake.Inject(squarefake.Fault{Call: "create", Skip: true, Status: 500, Errors: []squarefake.Error{{Category: "API_ERROR", Code: "INTERNAL_SERVER_ERROR"}}})
	b.charge(cardOK, payment.ClassNotCharged)
	b.fake.Advance(time.Minute)
	b.charge(cardOK, payment.ClassUnknownAnswered)
	b.charge(cardOK, payment.ClassApproved)
	var bodies []string
	for _, c := range b.fake.Calls() {
		if c.Path == "/v2/payments" {
			bodies = append(bodies, c.Body)
		}
	}
	require.Len(t, bodies, 3)
	require.Equal(t, bodies[0], bodies[1])
	require.Equal(t, bodies[0], bodies[2])
}

// A CreatePayment whose answer is lost is at worst a hold that expires.
func TestCharge_CreateUnknown_IsAHoldThatExpires(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]squarefake.Fault{
		"answer lost":          {Call: "create", Close: true},
		"a proxy's page":       {Call: "create", Status: 502, Body: "<html>Bad Gateway</html>"},
		"a proxy's success":    {Call: "create", Status: 200, Body: `{"ok":true}`},
		"another's payment":    {Call: "create", Status: 200, Body: `{"payment":{"id":"x","status":"COMPLETED","reference_id":"other"}}`},
		"a payment without id": {Call: "create", Status: 200, Body: `{"payment":{"status":"COMPLETED","reference_id":"` + string(key) + `"}}`},
		"a repeated member":    {Call: "create", Status: 200, Body: `{"payment":{"id":"x","id":"y","status":"COMPLETED","reference_id":"` + string(key) + `"}}`},
		"names in other case":  {Call: "create", Status: 200, Body: `{"Payment":{"Id":"x","Status":"COMPLETED","Reference_Id":"` + string(key) + `"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, squarefake.Options{})
			b.fake.Inject(fault)
			r := b.charge(cardOK, payment.ClassUnknownUnanswered)
			require.False(t, r.Answered)
			require.Equal(t, 1, b.fake.Holds(string(key)))
			require.Zero(t, b.fake.Charges(string(key)))
			b.lookUp(b.ref(), payment.FoundProcessing)

			b.fake.Advance(squaregateway.HoldFor)
			require.Zero(t, b.fake.Holds(string(key)))
			require.Zero(t, b.fake.Charges(string(key)))
			b.lookUp(b.ref(), payment.FoundVoided)
		})
	}
}

// A worker that is lost between the two calls leaves a hold, which the next attempt takes.
func TestCharge_Repeat_TakesTheHold(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]squarefake.Options{"": {}, "old answer": {StaleRepeats: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, o)
			b.fake.Inject(squarefake.Fault{Call: "create", Close: true})
			b.charge(cardOK, payment.ClassUnknownUnanswered)
			first := b.charge(cardOK, payment.ClassApproved)
			require.Equal(t, first.TransactionID, b.charge(cardOK, payment.ClassApproved).TransactionID)
			require.Equal(t, 1, b.fake.Charges(string(key)))
		})
	}
}

// CompletePayment has no key: after any answer but COMPLETED, GetPayment decides.
func TestCharge_CompleteUnknown_IsDecidedByGetPayment(t *testing.T) {
	t.Parallel()
	apiError := []squarefake.Error{{Category: "API_ERROR", Code: "INTERNAL_SERVER_ERROR"}}
	page := "<html>It works</html>"
	lost := squarefake.Fault{Call: "get", Skip: true, Close: true}
	lostTwice := lost
	lostTwice.Times = 2 // net/http repeats a read on another connection
	for name, tt := range map[string]struct {
		complete squarefake.Fault
		get      *squarefake.Fault
		want     payment.Class
		answered bool
	}{
		"taken, answer lost":                  {squarefake.Fault{Close: true}, nil, payment.ClassApproved, true},
		"taken, a proxy's page":               {squarefake.Fault{Status: 503, Body: page}, nil, payment.ClassApproved, true},
		"taken, an error":                     {squarefake.Fault{Status: 500, Errors: apiError}, nil, payment.ClassApproved, true},
		"taken, another's payment":            {squarefake.Fault{Status: 200, Body: `{"payment":{"id":"x","status":"FAILED","reference_id":"other"}}`}, nil, payment.ClassApproved, true},
		"taken, answer lost, read lost":       {squarefake.Fault{Close: true}, &lost, payment.ClassUnknownUnanswered, false},
		"taken, an error, read lost":          {squarefake.Fault{Status: 500, Errors: apiError}, &lostTwice, payment.ClassUnknownAnswered, false},
		"not taken, no answer":                {squarefake.Fault{Skip: true, Close: true}, nil, payment.ClassUnknownUnanswered, false},
		"not taken, a proxy's page":           {squarefake.Fault{Skip: true, Status: 200, Body: page}, nil, payment.ClassUnknownUnanswered, false},
		"not taken, an error":                 {squarefake.Fault{Skip: true, Status: 500, Errors: apiError}, nil, payment.ClassUnknownAnswered, true},
		"not taken, rate limited":             {squarefake.Fault{Skip: true, Status: 429, Errors: []squarefake.Error{{Category: "RATE_LIMIT_ERROR", Code: "RATE_LIMITED"}}}, nil, payment.ClassUnknownAnswered, true},
		"not taken, an error, a page instead": {squarefake.Fault{Skip: true, Status: 500, Errors: apiError}, &squarefake.Fault{Call: "get", Status: 200, Body: page}, payment.ClassUnknownAnswered, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, squarefake.Options{})
			tt.complete.Call = "complete"
			b.fake.Inject(tt.complete)
			if tt.get != nil {
				b.fake.Inject(*tt.get)
			}
			r := b.charge(cardOK, tt.want)
			require.Equal(t, tt.answered, r.Answered)
			if tt.want != payment.ClassApproved {
				require.Equal(t, []string{r.Reference}, b.fake.IDs(string(key)), "a lookup reads the payment by its id")
			}
			b.charge(cardOK, payment.ClassApproved)
			require.Equal(t, 1, b.fake.Charges(string(key)))
		})
	}
}

// An answer that says both that the payment takes money and that it failed is none: GetPayment decides.
func TestCharge_Contradiction_IsDecidedByGetPayment(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{})
	b.fake.Inject(squarefake.Fault{Call: "create", Close: true})
	b.charge(cardOK, payment.ClassUnknownUnanswered)
	id := b.fake.IDs(string(key))[0]
	for _, body := range []string{
		`{"errors":[{"category":"PAYMENT_METHOD_ERROR","code":"GENERIC_DECLINE"}],"payment":{"id":"` + id + `","status":"COMPLETED","reference_id":"` + string(key) + `"}}`,
		`{"payment":{"id":"` + id + `","status":"SETTLED","reference_id":"` + string(key) + `"}}`,
	} {
		b.fake.Inject(squarefake.Fault{Call: "create", Status: 400, Body: body})
		require.Equal(t, id, b.charge(cardOK, payment.ClassUnknownAnswered).Reference)
		require.Zero(t, b.fake.Charges(string(key)))
	}
	b.charge(cardOK, payment.ClassApproved)
}

// The hold is cancelled, by its time or by a person, while CompletePayment is on its way.
func TestCharge_HoldExpires_IsDeclined(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]squarefake.Options{"": {}, "old answer": {StaleRepeats: true}, "versions": {VersionedErrors: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, o)
			arrived, release := make(chan struct{}), make(chan struct{})
			b.fake.Inject(squarefake.Fault{Call: "complete", Arrived: arrived, Release: release})
			go func() {
				<-arrived
				b.fake.Advance(squaregateway.HoldFor)
				close(release)
			}()
			r := b.charge(cardOK, payment.ClassDeclined)
			require.Equal(t, payment.DeclineAbandoned, r.Code)
			require.True(t, strings.HasPrefix(r.Message, "CANCELED"), r.Message)
			require.Equal(t, r, b.charge(cardOK, payment.ClassDeclined), "the key is used up")
			require.Zero(t, b.fake.Charges(string(key)))

			again := charge(t, cardOK)
			again.Key = "another-key" // a decline needs a new key (connect-api-examples#47)
			require.Equal(t, payment.ClassApproved, b.Charge(t.Context(), again).Class)
		})
	}
}

// What Square does with a key whose payment was cancelled is not documented. If it makes another
// payment, that is the one that is taken.
func TestCharge_NewPaymentAfterCancel_IsTakenOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{RepeatAfterCancel: true})
	b.fake.Inject(squarefake.Fault{Call: "create", Close: true})
	b.charge(cardOK, payment.ClassUnknownUnanswered)
	b.fake.Advance(squaregateway.HoldFor)
	b.fake.Inject(squarefake.Fault{Call: "complete", Close: true})
	b.fake.Inject(squarefake.Fault{Call: "get", Skip: true, Close: true})
	b.charge(cardOK, payment.ClassUnknownUnanswered)
	ids := b.fake.IDs(string(key))
	require.Len(t, ids, 2)

	ref := b.ref()
	ref.Reference = ids[0] // the id of the first answer
	require.Equal(t, ids[1], b.lookUp(ref, payment.FoundApproved).TransactionID)
	require.Equal(t, 1, b.fake.Charges(string(key)))
}

// An answer that comes too late to take the money within the timeout leaves the hold to the next
// attempt.
func TestCharge_LittleTimeLeft_IsNotTaken(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{}, func(o *squaregateway.Options) { o.Timeout = 2 * time.Second })
	b.fake.Inject(squarefake.Fault{Call: "create", Delay: 1600 * time.Millisecond})
	b.charge(cardOK, payment.ClassUnknownAnswered)
	require.NotContains(t, strings.Join(b.paths(), " "), "complete")
	b.charge(cardOK, payment.ClassApproved)
}

// A key that comes again with another body says nothing about the first payment.
func TestCharge_KeyReused_IsLookedUp(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{})
	b.charge(cardOK, payment.ClassApproved)
	other := charge(t, cardOK)
	other.Money = money(t, "1", "USD")
	require.Equal(t, payment.ClassKeyReused, b.Charge(t.Context(), other).Class)

	// If Square did not compare the amounts, the adapter does: the payment is not taken for another.
	c := newBench(t, squarefake.Options{})
	c.fake.Inject(squarefake.Fault{Call: "create", Close: true})
	c.charge(cardOK, payment.ClassUnknownUnanswered)
	body := `{"payment":{"id":"` + c.fake.IDs(string(key))[0] + `","status":"APPROVED","reference_id":"` + string(key) +
		`","amount_money":{"amount":100,"currency":"USD"}}}`
	c.fake.Inject(squarefake.Fault{Call: "create", Status: 200, Body: body})
	c.charge(cardOK, payment.ClassKeyReused)
	require.Zero(t, c.fake.Charges(string(key)))
}

func TestCharge_PendingPayment_IsPending(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]payment.LookupResult{
		"COMPLETED": payment.FoundApproved, "FAILED": payment.FoundDeclined, "CANCELED": payment.FoundVoided,
	} {
		b := newBench(t, squarefake.Options{Lag: time.Second})
		r := b.charge(bankOK, payment.ClassPending)
		require.True(t, r.Answered)
		ref := b.ref()
		ref.Reference = r.Reference
		b.lookUp(ref, payment.FoundPending)
		require.NoError(t, b.fake.Decide(r.Reference, status))
		b.lookUp(ref, want)
	}
}

func TestCharge_WhatSquareDoesNotTake_IsNotSent(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{})
	for name, change := range map[string]func(*payment.Charge){
		"no key":           func(c *payment.Charge) { c.Key = "" },
		"a long key":       func(c *payment.Charge) { c.Key = payment.GatewayKey(strings.Repeat("k", 41)) },
		"a key with space": func(c *payment.Charge) { c.Key = "a b" },
		"no method":        func(c *payment.Charge) { c.Method = "" },
		"a currency":       func(c *payment.Charge) { c.Money = money(t, "100", "SEK") },
	} {
		c := charge(t, cardOK)
		change(&c)
		r := b.Charge(t.Context(), c)
		require.Equal(t, payment.ClassRejected, r.Class, name)
		require.Contains(t, r.Message, "nothing was sent", name)
	}
	require.Empty(t, b.fake.Calls())

	// The location's currency is another one.
	c := charge(t, cardOK)
	c.Money = money(t, "100", "JPY")
	require.Equal(t, payment.ClassRejected, b.Charge(t.Context(), c).Class)
}

// A token that is replaced is used at once. Without one, nothing is sent.
func TestCharge_Token_IsReadForEachRequest(t *testing.T) {
	t.Parallel()
	token := "old"
	b := newBench(t, squarefake.Options{}, func(o *squaregateway.Options) { o.Token = func() string { return token } })
	r := b.charge(cardOK, payment.ClassRejected)
	require.Contains(t, r.Message, "UNAUTHORIZED")
	require.NotContains(t, r.Message, "old")
	token = ""
	b.charge(cardOK, payment.ClassNotCharged)
	token = "two words"
	b.charge(cardOK, payment.ClassNotCharged)
	require.Len(t, b.fake.Calls(), 1)
	token = squarefake.DefaultToken
	b.charge(cardOK, payment.ClassApproved)
}

// What something in between writes proves nothing, with any status.
func TestCharge_Proxy_IsUnknown(t *testing.T) {
	t.Parallel()
	var status int
	var body string
	g := newGateway(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Square-Version", squaregateway.DefaultVersion)
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}), time.Now)
	for _, body = range []string{
		"", "<html>Pay your bill</html>", `{}`, `{"message":"no"}`, `{"errors":"no"}`, `{"errors":[]}`, `{"errors":[{"code":"NOT_FOUND"}]}`,
		`{"errors":[{"category":"OTHER","code":"GENERIC_DECLINE"}]}`, `[{"errors":[]}]`, `{"errors":[{"category":"API_ERROR","code":"X"}]`,
	} {
		for _, status = range []int{200, 201, 302, 400, 402, 404, 422, 429, 500, 503} {
			r := g.Charge(t.Context(), charge(t, cardOK))
			require.Equal(t, payment.ClassUnknownUnanswered, r.Class, "%d %s: %s", status, body, r.Message)
			require.False(t, r.Answered)
			require.Equal(t, 7*time.Second, r.RetryAfter)
			if status != 200 || body != `{}` && body != `{"errors":[]}` {
				l := g.LookUp(t.Context(), payment.ChargeRef{Key: key})
				require.Equal(t, payment.FoundNoAnswer, l.Result, "%d %s", status, body)
			}
		}
	}
}

// A refusal from a cache is about another attempt, and proves nothing of this one.
func TestCharge_RefusalFromACache_ProvesNothing(t *testing.T) {
	t.Parallel()
	for _, e := range []squarefake.Error{
		{Category: "INVALID_REQUEST_ERROR", Code: "BAD_REQUEST"}, {Category: "AUTHENTICATION_ERROR", Code: "UNAUTHORIZED"},
	} {
		for age, want := range map[string]payment.Class{"0": payment.ClassRejected, "3": payment.ClassUnknownUnanswered} {
			b := newBench(t, squarefake.Options{})
			b.fake.Inject(squarefake.Fault{
				Call: "create", Skip: true, Status: 400, Errors: []squarefake.Error{e}, Header: map[string]string{"Age": age},
			})
			b.charge(cardOK, want)
		}
	}
}
