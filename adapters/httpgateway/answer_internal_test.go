package httpgateway

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

const key = payment.GatewayKey("key-1")

// charge is the charge that answers are about.
var charge = payment.ChargeRef{Key: key}

// answered returns an answer with this status and body.
func answered(status int, marked bool, body string) answer {
	a := answer{status: status, header: http.Header{}, body: []byte(body)}
	if marked {
		a.header.Set(markHeader, string(key))
	}
	return a
}

// knownBody is the body of an answer to a charge, with the classes that it means.
type knownBody struct {
	body               string
	accepted, declined payment.Class
	other              payment.Class // under a 5xx, or a 4xx that is not in the protocol
	prevails           bool          // takes precedence over the status of an error
}

// bodies are bodies of answers to a charge, with their meaning under a 2xx, a 402, and another
// error. Under a status that rejects, or 429 or 409, the status counts, unless the body is about
// the key or says that the charge exists.
var bodies = []knownBody{
	{``, over, over, over, false},
	{`Payment Required`, over, over, over, false},
	{`<html><h1>Pay your bill</h1></html>`, over, over, over, false},
	{`{"message":"exceed_egress_quota"}`, over, over, over, false},
	{`{"error":"upstream connect error"}`, over, over, over, false},
	{`{}`, over, over, over, false},
	{`null`, over, over, over, false},
	{`[{"code":"card_declined"}]`, over, over, over, false},
	{`"declined"`, over, over, over, false},
	{`{"code":"card_declined"}`, over, no, over, false},
	{`{"code":"duplicate_transaction","status":402}`, over, no, over, false},
	{`{"code":"card_declined","status":null}`, over, no, over, false},
	{`{"status":"declined"}`, over, no, over, false},
	{`{"status":"declined","code":7}`, over, no, over, false},
	{`{"code":7}`, over, over, over, false},
	{`{"code":""}`, over, over, over, false},
	{`{"Code":"card_declined"}`, over, over, over, false},
	{`{"code":"a","code":"b"}`, over, over, over, false},
	{`{"code":"card_declined"} {}`, over, over, over, false},
	{`{"code":"card_declined","charged":true}`, over, named, named, true},
	{`{"code":"rate","charged":false}`, over, no, not, false},
	{`{"charged":false}`, over, not, not, false},
	{`{"charged":"false"}`, over, over, over, false},
	{`{"charged":null}`, over, over, over, false},
	{`{"charged":0}`, over, over, over, false},
	{`{"Charged":false}`, over, over, over, false},
	{`{"charged":false,"charged":true}`, over, over, over, false},
	{`{"charged":true}`, over, named, named, true},
	{`{"code":"idempotency_key_reused"}`, over, reused, reused, true},
	{`{"code":"idempotency_key_reused","charged":false}`, over, reused, reused, true},
	{`{"status":"processing"}`, running, running, running, true},
	{`{"status":"pending"}`, named, named, named, true},
	{`{"status":"authorized","transaction_id":"t"}`, held, named, named, true},
	{`{"status":"authorized","transaction_id":"t","charged":false,"expires_at":"2026-03-01T00:00:00Z"}`, held, named, named, true},
	{`{"status":"authorized","transaction_id":"t","charged":true}`, over, named, named, true},
	{`{"status":"authorized","transaction_id":"t","error":"no"}`, over, named, named, true},
	{`{"status":"authorized"}`, over, named, named, true},
	{`{"status":"succeeded","transaction_id":"t"}`, yes, named, named, true},
	{`{"status":"succeeded","transaction_id":"t","fee":{"amount":[1,{"a":null}]},"success":true,"error":null,"code":0,"message":[]}`, yes, named, named, true},
	{` {"transaction_id" : "~ a !" , "st\u0061tus":"succeeded"} ` + "\n", yes, named, named, true},
	{`{"status":"succeeded","transaction_id":"t","fee":[{"rate":1e999},{"rate":1,"r\u0061te":2}]}`, over, over, over, false},
	{`{"status":"succeeded","transaction_id":"t","fee":[{"rate":1e999},{"rate":1,"tax":[[{}]]}],"tax":2}`, yes, named, named, true},
	{`{"status":"succeeded","transaction_id":"t","tax":1,"tax":2}`, over, over, over, false},
	{`{"status":"succeeded","transaction_id":"t","Status":"declined","STATUS":1,"Error":"x","Success":false}`, over, over, over, false},
}

const (
	yes     = payment.ClassApproved
	held    = payment.ClassAuthorized
	named   = payment.ClassPending
	no      = payment.ClassDeclined
	not     = payment.ClassNotCharged
	over    = payment.ClassUnknownAnswered
	running = payment.ClassUnknownUnanswered
	reused  = payment.ClassKeyReused
)

// class returns the class of a marked answer with this status and body.
func (b knownBody) class(status int) payment.Class {
	switch {
	case status < 200:
		return running // an interim response
	case status < 300:
		return b.accepted
	case status < 400:
		return over
	case status == 402:
		return b.declined
	case status == 409 && b.prevails && b.other != reused:
		return running
	case b.prevails:
		return b.other
	case slices.Contains([]int{400, 401, 403, 404, 422}, status):
		return payment.ClassRejected
	case status == 429:
		return not
	case status == 409 && b.other == over:
		return running
	}
	return b.other
}

// Every status and body of the table of classes, marked and unmarked.
func TestResult_EveryStatusAndBody_MatchesTheTable(t *testing.T) {
	t.Parallel()
	for status := 100; status <= 599; status++ {
		for _, b := range bodies {
			r := answered(status, false, b.body).result(charge)
			require.Equal(t, running, r.Class, "unmarked %d %s", status, b.body)
			require.False(t, r.Answered)

			want := b.class(status)
			r = answered(status, true, b.body).result(charge)
			require.Equal(t, want, r.Class, "marked %d %s: %s", status, b.body, r.Message)
			require.Equal(t, status >= 200, r.Answered)
			require.Equal(t, want == yes || want == held, r.TransactionID != "")
			require.Equal(t, want == held && strings.Contains(b.body, "expires_at"), !r.HoldExpires.IsZero())
			require.Equal(t, want == no, r.Code != "")
			if want != yes && want != no && want != held {
				require.Contains(t, r.Message, strconv.Itoa(status))
			}
		}
	}
}

// Few answers to a lookup prove anything.
func TestLookup_EveryStatusAndBody_MatchesTheTable(t *testing.T) {
	t.Parallel()
	for status := 100; status <= 599; status++ {
		for _, b := range append(bodies, bodies[0]) {
			require.Equal(t, payment.FoundNoAnswer, answered(status, false, b.body).lookup(charge).Result)
			found := answered(status, true, b.body).lookup(charge).Result
			if status != http.StatusOK {
				require.Equal(t, payment.FoundNoAnswer, found, "%d %s", status, b.body)
				continue
			}
			require.Equal(t, b.accepted == yes, found == payment.FoundApproved, b.body)
			require.Equal(t, b.accepted == held, found == payment.FoundAuthorized, b.body)
			require.Equal(t, b.accepted == payment.ClassPending, found == payment.FoundPending, b.body)
		}
		for marked := range map[bool]bool{true: true, false: false} {
			found := answered(status, marked, `{"code":"not_found"}`).lookup(charge).Result
			require.Equal(t, marked && status == http.StatusNotFound, found == payment.FoundNothing, "%d", status)
		}
	}
}

// Only an explicit success without a contradiction is a success.
func TestResult_OnlyExplicitSuccess_IsApproved(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"transaction_id":"t"}`,
		`{"transaction_id":"t","status":null}`,
		`{"transaction_id":"t","status":1}`,
		`{"transaction_id":"t","status":true}`,
		`{"transaction_id":"t","status":["succeeded"]}`,
		`{"transaction_id":"t","status":{"succeeded":true}}`,
		`{"transaction_id":"t","status":""}`,
		`{"transaction_id":"t","status":"Succeeded"}`,
		`{"transaction_id":"t","status":" succeeded"}`,
		`{"transaction_id":"t","Status":"succeeded"}`,
		`{"Transaction_id":"t","status":"succeeded"}`,
		`{"transaction_id":"t","status":"succeeded","success":false}`,
		`{"transaction_id":"t","status":"succeeded","success":"false"}`,
		`{"transaction_id":"t","status":"succeeded","success":0}`,
		`{"transaction_id":"t","status":"succeeded","error":"no"}`,
		`{"transaction_id":"t","status":"succeeded","error":""}`,
		`{"transaction_id":"t","status":"succeeded","error":false}`,
		`{"transaction_id":"t","status":"succeeded","error":{}}`,
		`{"transaction_id":"t","status":"succeeded","error":[]}`,
		`{"transaction_id":"t","status":"succeeded","charged":false}`,
		`{"transaction_id":"t","status":"succeeded","status":"succeeded"}`,
		`{"transaction_id":"t","status":"declined","status":"succeeded"}`,
		`{"transaction_id":"t","status":"succeeded","st\u0061tus":"declined"}`,
		`{"transaction_id":"t","transaction_id":"u","status":"succeeded"}`,
		`{"transaction_id":"t","status":"succeeded","fee":1,"fee":2}`,
		`{"transaction_id":"t","status":"succeeded","fee":{"a":1,"a":2}}`,
		`{"transaction_id":"t","status":"succeeded","fees":[{"a":{"b":1,"b":1}}]}`,
		`{"status":"succeeded"}`,
		`{"transaction_id":null,"status":"succeeded"}`,
		`{"transaction_id":21408,"status":"succeeded"}`,
		`{"transaction_id":["t"],"status":"succeeded"}`,
		`{"transaction_id":"","status":"succeeded"}`,
		`{"transaction_id":" ","status":"succeeded"}`,
		`{"transaction_id":" t","status":"succeeded"}`,
		`{"transaction_id":"t ","status":"succeeded"}`,
		`{"transaction_id":"t\t","status":"succeeded"}`,
		`{"transaction_id":"t\u0000","status":"succeeded"}`,
		`{"transaction_id":"t\u007f","status":"succeeded"}`,
		`{"transaction_id":"té","status":"succeeded"}`,
		`{"transaction_id":"\ud800","status":"succeeded"}`,
		"{\"transaction_id\":\"t\xff\",\"status\":\"succeeded\"}",
		"{\"transaction_id\":\"t\",\"status\":\"succeeded\",\"x\":\"\xff\"}",
		`{"transaction_id":"` + strings.Repeat("x", 256) + `","status":"succeeded"}`,
		"\xEF\xBB\xBF" + `{"transaction_id":"t","status":"succeeded"}`,
		`[{"transaction_id":"t","status":"succeeded"}]`,
		`{"data":{"transaction_id":"t","status":"succeeded"}}`,
		`{"transaction_id":"t","status":"succeeded"`,
		`{"transaction_id":"t","status":"succeeded",}`,
		`{"transaction_id":"t","status":"succeeded"}{}`,
		`{"transaction_id":"t","status":"succeeded"}x`,
		`{"transaction_id":"t","status":"succeeded","deep":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`,
	} {
		r := answered(http.StatusOK, true, body).result(charge)
		require.Equal(t, over, r.Class, "%.200s", body)
		require.Empty(t, r.TransactionID)
		l := answered(http.StatusOK, true, body).lookup(charge)
		require.NotEqual(t, payment.FoundApproved, l.Result, "%.200s", body)
	}
}

// All spellings of an address have one identity.
func TestGatewayID_AnySpelling_IsTheSame(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]payment.GatewayID{
		"http://gateway.example":           "http://gateway.example",
		"HTTP://Gateway.EXAMPLE:80/":       "http://gateway.example",
		"http://gateway.example:":          "http://gateway.example",
		"https://gateway.example:443/v1/":  "https://gateway.example/v1",
		"https://gateway.example:80/v1//":  "https://gateway.example:80/v1",
		"http://gateway.example:443":       "http://gateway.example:443",
		"http://gateway.example/V1/./a/..": "http://gateway.example/V1",
		"http://gateway.example/charges":   "http://gateway.example/charges",
		"http://gateway.example/a%2Fb":     "http://gateway.example/a%2Fb",
		"http://XN--bcher-kva.example":     "http://xn--bcher-kva.example",
		"http://[::1]:80/x":                "http://[::1]/x",
		"http://127.0.0.1:3001":            "http://127.0.0.1:3001",
	} {
		g, err := New(base, 1)
		require.NoError(t, err, base)
		require.Equal(t, want, g.Capabilities().Gateway, base)
	}
	long := func(end string) payment.GatewayID {
		g, err := New("https://gateway.example/"+strings.Repeat("x", 300)+end, 1)
		require.NoError(t, err)
		return g.Capabilities().Gateway
	}
	require.Len(t, string(long("a")), payment.MaxGatewayIDBytes)
	require.NotEqual(t, long("a"), long("b"))
	require.Equal(t, long("a"), long("a/"))
	require.Contains(t, long("a"), "https://gateway.example/xxx")
}
