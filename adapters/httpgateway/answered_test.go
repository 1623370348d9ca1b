package httpgateway_test

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

const (
	jsonType = "application/json"
	htmlType = "text/html; charset=utf-8"
	page     = "<html><body><h1>It works!</h1></body></html>"
)

func TestCharge_Request_FollowsTheProtocol(t *testing.T) {
	t.Parallel()
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sound := r.Method == http.MethodPost && r.URL.Path == "/pay/v1/charges" &&
			r.Header.Get("Idempotency-Key") == "key-1" && r.Header.Get("Content-Type") == jsonType &&
			string(body) == `{"order_id":"order-123","amount":"100.00","currency":"USD"}`
		if !sound {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, approved)
	})
	r := newGateway(t, base+"/pay/v1/", longTimeout).Charge(t.Context(), newCharge(t))
	require.Equal(t, payment.Result{Class: payment.ClassApproved, TransactionID: "txn-21408", Answered: true}, r)
}

func TestLookUp_Request_FollowsTheProtocol(t *testing.T) {
	t.Parallel()
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		sound := r.Method == http.MethodGet && r.URL.EscapedPath() == "/v1/charges/a%2Fb%3Fc" &&
			r.Header.Get("Cache-Control") == "no-cache" && r.Header.Get("Pragma") == "no-cache" &&
			r.Header["Idempotency-Key"] == nil // an intermediary that mirrors requests would send them back
		if !sound {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		_, _ = io.WriteString(w, approved)
	})
	l := newGateway(t, base+"/v1", longTimeout).LookUp(t.Context(), payment.ChargeRef{Key: "a/b?c"})
	require.Equal(t, payment.Lookup{Result: payment.FoundApproved, TransactionID: "txn-21408"}, l)
}

func TestCharge_NoKey_SendsNothing(t *testing.T) {
	t.Parallel()
	g := newGateway(t, serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") }), longTimeout)
	c := newCharge(t)
	c.Key = ""
	require.Equal(t, payment.ClassRejected, g.Charge(t.Context(), c).Class)
	require.Equal(t, payment.FoundNoAnswer, g.LookUp(t.Context(), payment.ChargeRef{Key: ""}).Result)
}

// TestCharge_Mark_DecidesWhoAnswered sends the mark in every form over a socket: who wrote an answer matters before what it
// says.
func TestCharge_Mark_DecidesWhoAnswered(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		name   string
		values []string
		marked bool
	}{
		"none":                {"Idempotency-Key", nil, false},
		"the key":             {"Idempotency-Key", []string{"key-1"}, true},
		"lower case name":     {"idempotency-key", []string{"key-1"}, true},
		"upper case name":     {"IDEMPOTENCY-KEY", []string{"key-1"}, true},
		"spaces around it":    {"Idempotency-Key", []string{" \t key-1 \t "}, true},
		"twice the same":      {"Idempotency-Key", []string{"key-1", "key-1"}, true},
		"twice, one other":    {"Idempotency-Key", []string{"key-1", "key-2"}, false},
		"twice, one empty":    {"Idempotency-Key", []string{"key-1", ""}, false},
		"another key":         {"Idempotency-Key", []string{"key-2"}, false},
		"another case":        {"Idempotency-Key", []string{"KEY-1"}, false},
		"the beginning":       {"Idempotency-Key", []string{"key"}, false},
		"more behind it":      {"Idempotency-Key", []string{"key-1; v=1"}, false},
		"quoted":              {"Idempotency-Key", []string{`"key-1"`}, false},
		"a list":              {"Idempotency-Key", []string{"key-1, key-1"}, false},
		"empty":               {"Idempotency-Key", []string{""}, false},
		"another header":      {"X-Idempotency-Key", []string{"key-1"}, false},
		"underscore for dash": {"Idempotency_Key", []string{"key-1"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := serveUnmarked(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()[tt.name] = tt.values
				w.Header().Set("Retry-After", "7")
				_, _ = io.WriteString(w, approved)
			})
			g := newGateway(t, base, longTimeout)
			r, l, probe := g.Charge(t.Context(), newCharge(t)), g.LookUp(t.Context(), payment.ChargeRef{Key: "key-1"}), g.Probe(t.Context(), "key-1")
			require.Equal(t, tt.marked, r.Answered)
			require.True(t, probe.Arrived)
			require.Equal(t, tt.marked, probe.Marked)
			if tt.marked {
				require.Equal(t, payment.ClassApproved, r.Class, r.Message)
				require.Equal(t, payment.FoundApproved, l.Result, l.Message)
				return
			}
			require.Equal(t, payment.ClassUnknownUnanswered, r.Class)
			require.Contains(t, r.Message, "not written by the gateway")
			require.Equal(t, 7*time.Second, r.RetryAfter, "for pacing only")
			require.Empty(t, r.TransactionID)
			require.Equal(t, payment.FoundNoAnswer, l.Result)
			require.Contains(t, l.Message, "not written by the gateway")
		})
	}
}

// Without an answer, a probe has not arrived.
func TestProbe_NoAnswer_HasNotArrived(t *testing.T) {
	t.Parallel()
	g := newGateway(t, serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), longTimeout)
	probe := g.Probe(t.Context(), "key-1")
	require.False(t, probe.Arrived)
	require.False(t, probe.Marked)
	require.Equal(t, payment.FoundNoAnswer, probe.Result)
}

func TestCharge_Answer_IsClassified(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return strings.Repeat("x", n) }
	tests := map[string]struct {
		status     int
		body       string
		want       payment.Class
		wantCode   string
		wantInText string
	}{
		"200":                {200, approved, payment.ClassApproved, "", ""},
		"201":                {201, approved, payment.ClassApproved, "", ""},
		"202 succeeded":      {202, approved, payment.ClassApproved, "", ""},
		"200 longest id":     {200, `{"transaction_id":"` + long(255) + `","status":"succeeded"}`, payment.ClassApproved, "", ""},
		"200 just not huge":  {200, approved + strings.Repeat(" ", 64<<10-len(approved)), payment.ClassApproved, "", ""},
		"200 huge":           {200, approved + strings.Repeat(" ", 64<<10), payment.ClassUnknownAnswered, "", "longer than 65536"},
		"200 processing":     {200, `{"status":"processing"}`, payment.ClassUnknownUnanswered, "", `"processing"`},
		"200 pending":        {200, `{"status":"pending","transaction_id":"txn-1"}`, payment.ClassPending, "", `"pending"`},
		"200 authorized":     {200, `{"status":"authorized","transaction_id":"txn-1"}`, payment.ClassAuthorized, "", ""},
		"200 authorized, id": {200, `{"status":"authorized"}`, payment.ClassUnknownAnswered, "", "transaction_id"},
		"200 no such time":   {200, `{"status":"authorized","transaction_id":"txn-1","expires_at":"soon"}`, payment.ClassAuthorized, "", "expires_at was dropped"},
		"200 other status":   {200, `{"transaction_id":"txn-1","status":"` + long(2000) + `"}`, payment.ClassUnknownAnswered, "", `xxx…"`},
		"200 declined":       {200, `{"status":"declined","code":"card_expired"}`, payment.ClassUnknownAnswered, "", `"declined"`},
		"200 empty":          {200, ``, payment.ClassUnknownAnswered, "", "it is empty"},
		"204":                {204, ``, payment.ClassUnknownAnswered, "", "it is empty"},
		"402":                {402, `{"code":"card_declined","message":"No."}`, payment.ClassDeclined, "card_declined", "No."},
		"402 longest code":   {402, `{"code":"` + long(64) + `"}`, payment.ClassDeclined, long(64), ""},
		"402 code too long":  {402, `{"code":"` + long(65) + `"}`, payment.ClassDeclined, long(64), ""},
		"402 long message":   {402, `{"code":"no","message":"` + strings.Repeat("é", 400) + `"}`, payment.ClassDeclined, "no", "éé"},
		"402 status alone":   {402, `{"status":"declined"}`, payment.ClassDeclined, "declined", "declined"},
		"402 huge":           {402, long(70 << 10), payment.ClassUnknownAnswered, "", "402 Payment Required"},
		"400":                {400, `{"message":"amount is missing"}`, payment.ClassRejected, "", "400 Bad Request: amount is missing"},
		"422":                {422, `{"error":"another amount"}`, payment.ClassRejected, "", "another amount"},
		"422 key reused":     {422, `{"code":"idempotency_key_reused","message":"other amount"}`, payment.ClassKeyReused, "", "other amount"},
		"409":                {409, `{"message":"in use"}`, payment.ClassUnknownUnanswered, "", "409 Conflict: in use"},
		"429":                {429, ``, payment.ClassNotCharged, "", "429"},
		"500":                {500, `{"message":"` + long(5000) + `"}`, payment.ClassUnknownAnswered, "", "500 Internal Server Error: xx"},
		"502 huge":           {502, long(70 << 10), payment.ClassUnknownAnswered, "", "502 Bad Gateway"},
		"503 not charged":    {503, `{"charged":false}`, payment.ClassNotCharged, "", "503 Service Unavailable"},
		"599 without a name": {599, ``, payment.ClassUnknownAnswered, "", "answered 599"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, say(t, tt.status, jsonType, tt.body), longTimeout)
			r := g.Charge(t.Context(), newCharge(t))
			require.Equal(t, tt.want, r.Class, r.Message)
			require.Equal(t, tt.wantCode, r.Code)
			require.True(t, r.Answered)
			require.Contains(t, r.Message, tt.wantInText)
			require.LessOrEqual(t, len(r.Message), payment.MaxMessageBytes)
			require.NotContains(t, r.Message, "\uFFFD")
			require.Equal(t, r.Class == payment.ClassApproved || r.Class == payment.ClassAuthorized, r.TransactionID != "")
			require.Zero(t, r.RetryAfter)
		})
	}
}

// Only the mark and the object matter.
func TestCharge_AnyContentType_IsClassified(t *testing.T) {
	t.Parallel()
	for _, contentType := range []string{"", htmlType, "text/plain", "application/problem+json", "nonsense"} {
		g := newGateway(t, say(t, 200, contentType, approved), longTimeout)
		require.Equal(t, payment.ClassApproved, g.Charge(t.Context(), newCharge(t)).Class)
		require.Equal(t, payment.FoundApproved, g.LookUp(t.Context(), payment.ChargeRef{Key: "key-1"}).Result)
		r := newGateway(t, say(t, 200, contentType, page), longTimeout).Charge(t.Context(), newCharge(t))
		require.Equal(t, payment.ClassUnknownAnswered, r.Class)
		require.Contains(t, r.Message, "web page")
		require.NotContains(t, r.Message, "It works")
	}
}

func TestCharge_Redirect_IsNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") })
	for _, location := range []string{elsewhere + "/charges", ":// not a URL", ""} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			redirect := func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Location"] = []string{location}
				w.WriteHeader(status)
			}
			g := newGateway(t, serve(t, redirect), longTimeout)
			r := g.Charge(t.Context(), newCharge(t))
			require.Equal(t, payment.ClassUnknownAnswered, r.Class, r.Message)
			require.Equal(t, payment.FoundNoAnswer, g.LookUp(t.Context(), payment.ChargeRef{Key: "key-1"}).Result)

			between := newGateway(t, serveUnmarked(t, redirect), longTimeout)
			require.Equal(t, payment.ClassUnknownUnanswered, between.Charge(t.Context(), newCharge(t)).Class)
		}
	}
}

func TestCharge_RetryAfter_IsReturned(t *testing.T) {
	t.Parallel()
	for _, status := range []int{202, 302, 404, 409, 429, 500, 503} {
		for name, start := range map[string]func(*testing.T, http.HandlerFunc) string{"marked": serve, "unmarked": serveUnmarked} {
			t.Run(strconv.Itoa(status)+" "+name, func(t *testing.T) {
				t.Parallel()
				wish := make(chan string, 1)
				g := newGateway(t, start(t, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Retry-After", <-wish)
					w.WriteHeader(status)
				}), longTimeout)

				wish <- "7"
				require.Equal(t, 7*time.Second, g.Charge(t.Context(), newCharge(t)).RetryAfter)

				wish <- time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
				require.InDelta(t, time.Hour, g.Charge(t.Context(), newCharge(t)).RetryAfter, float64(time.Minute))
			})
		}
	}
}

// A charge that took its money at once has no part that was captured, and the member may mean anything.
func TestLookUp_CapturedOfAnAutomaticCharge_IsIgnored(t *testing.T) {
	t.Parallel()
	for _, value := range []string{`true`, `6000`, `"60.00"`, `"some"`} {
		body := `{"status":"succeeded","transaction_id":"t","captured":` + value + `}`
		l := newGateway(t, say(t, 200, jsonType, body), longTimeout).LookUp(t.Context(), payment.ChargeRef{
			Key: "key-1", Money: dollars(t, "100"),
		})
		require.Equal(t, payment.Lookup{Result: payment.FoundApproved, TransactionID: "t"}, l, value)
	}
}

func TestLookUp_Answer_IsClassified(t *testing.T) {
	t.Parallel()
	none := payment.Lookup{Result: payment.FoundNoAnswer}
	long, expires := strings.Repeat("x", 300), time.Date(2026, 3, 8, 12, 0, 0, 5e8, time.UTC)
	tests := map[string]struct {
		status int
		body   string
		want   payment.Lookup // without the message
	}{
		"succeeded":            {200, approved, payment.Lookup{Result: payment.FoundApproved, TransactionID: "txn-21408"}},
		"declined":             {200, `{"status":"declined","code":"no"}`, payment.Lookup{Result: payment.FoundDeclined, Code: "no"}},
		"declined, no code":    {200, `{"status":"declined"}`, payment.Lookup{Result: payment.FoundDeclined, Code: "declined"}},
		"declined, with error": {200, `{"status":"declined","code":"no","error":"No."}`, payment.Lookup{Result: payment.FoundDeclined, Code: "no"}},
		"declined and charged": {200, `{"status":"declined","charged":true}`, none},
		"processing":           {200, `{"status":"processing"}`, payment.Lookup{Result: payment.FoundProcessing}},
		"pending":              {200, `{"status":"pending","transaction_id":"t"}`, payment.Lookup{Result: payment.FoundPending, Reference: "t"}},
		"authorized":           {200, `{"status":"authorized","transaction_id":"t"}`, payment.Lookup{Result: payment.FoundAuthorized, TransactionID: "t"}},
		"authorized until":     {200, `{"status":"authorized","transaction_id":"t","expires_at":"2026-03-08t13:00:00.5+01:00"}`, payment.Lookup{Result: payment.FoundAuthorized, TransactionID: "t", HoldExpires: expires}},
		"authorized for ever":  {200, `{"status":"authorized","transaction_id":"t","expires_at":"never"}`, payment.Lookup{Result: payment.FoundAuthorized, TransactionID: "t"}},
		"authorized, no id":    {200, `{"status":"authorized"}`, none},
		"authorized, charged":  {200, `{"status":"authorized","transaction_id":"t","charged":true}`, none},
		"captured":             {200, `{"status":"succeeded","transaction_id":"t","captured":"60.00"}`, payment.Lookup{Result: payment.FoundApproved, TransactionID: "t", Captured: dollars(t, "60")}},
		"captured, all of it":  {200, `{"status":"succeeded","transaction_id":"t","captured":"100.00"}`, payment.Lookup{Result: payment.FoundApproved, TransactionID: "t"}},
		"captured, null":       {200, `{"status":"succeeded","transaction_id":"t","captured":null}`, payment.Lookup{Result: payment.FoundApproved, TransactionID: "t"}},
		"captured, a number":   {200, `{"status":"succeeded","transaction_id":"t","captured":60.00}`, none},
		"captured too much":    {200, `{"status":"succeeded","transaction_id":"t","captured":"100.01"}`, none},
		"captured nothing":     {200, `{"status":"succeeded","transaction_id":"t","captured":"0.00"}`, none},
		"captured something":   {200, `{"status":"succeeded","transaction_id":"t","captured":"some"}`, none},
		"voided":               {200, `{"status":"voided","transaction_id":"t"}`, payment.Lookup{Result: payment.FoundVoided}},
		"cancelled":            {200, `{"status":"cancelled"}`, payment.Lookup{Result: payment.FoundVoided}},
		"voided and charged":   {200, `{"status":"voided","charged":true}`, none},
		"nothing":              {404, `{"code":"not_found"}`, payment.Lookup{Result: payment.FoundNothing}},
		"nothing, with words":  {404, `{"code":"not_found","message":"no charge has this key","error":"x","status":404}`, payment.Lookup{Result: payment.FoundNothing}},
		"nothing, no body":     {404, ``, none},
		"nothing, other code":  {404, `{"code":"no_route"}`, none},
		"nothing, other case":  {404, `{"code":"Not_Found"}`, none},
		"nothing, other name":  {404, `{"Code":"not_found"}`, none},
		"nothing, no code":     {404, `{"message":"not_found"}`, none},
		"nothing, list":        {404, `[{"code":"not_found"}]`, none},
		"nothing, text":        {404, "404 page not found\n", none},
		"nothing, page":        {404, page, none},
		"nothing, twice":       {404, `{"code":"not_found","code":"not_found"}`, none},
		"nothing yet charged":  {404, `{"code":"not_found","charged":true}`, none},
		"nothing yet approved": {404, `{"code":"not_found","status":"succeeded","transaction_id":"t"}`, none},
		"nothing yet an id":    {404, `{"code":"not_found","transaction_id":"t"}`, none},
		"nothing yet pending":  {404, `{"code":"not_found","status":"pending"}`, none},
		"nothing under a 200":  {200, `{"code":"not_found"}`, none},
		"nothing under a 410":  {410, `{"code":"not_found"}`, none},
		"approved under a 404": {404, approved, none},
		"no status":            {200, `{"transaction_id":"txn-1"}`, none},
		"null status":          {200, `{"transaction_id":"txn-1","status":null}`, none},
		"other status":         {200, `{"status":"refunded"}`, none},
		"no id":                {200, `{"status":"succeeded"}`, none},
		"id too long":          {200, `{"status":"succeeded","transaction_id":"` + long + `"}`, none},
		"success is false":     {200, `{"status":"succeeded","transaction_id":"t","success":false}`, none},
		"an error beside it":   {200, `{"status":"succeeded","transaction_id":"t","error":"x"}`, none},
		"code too long":        {200, `{"status":"declined","code":"` + long + `"}`, payment.Lookup{Result: payment.FoundDeclined, Code: long[:payment.MaxCodeBytes]}},
		"web page":             {200, page, none},
		"empty":                {200, ``, none},
		"huge":                 {200, approved + strings.Repeat(" ", 64<<10), none},
		"decline is not a 402": {402, `{"status":"declined","code":"card_declined"}`, none},
		"201":                  {201, approved, none},
		"401":                  {401, `{"code":"not_found"}`, none},
		"429":                  {429, `{"code":"not_found"}`, none},
		"500":                  {500, approved, none},
		"503":                  {503, ``, none},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newGateway(t, say(t, tt.status, jsonType, tt.body), longTimeout).LookUp(t.Context(), payment.ChargeRef{
				Key: "key-1", Money: dollars(t, "100"), Capture: payment.CaptureManual,
			})
			message := l.Message
			l.Message = ""
			require.Equal(t, tt.want, l, message)
			require.LessOrEqual(t, len(message), payment.MaxMessageBytes)
			if l.Result == payment.FoundNoAnswer {
				require.Contains(t, message, strconv.Itoa(tt.status))
			}
		})
	}
}

// A cached answer proves only what cannot change.
func TestLookUp_CachedAnswer_ProvesOnlyAnApproval(t *testing.T) {
	t.Parallel()
	for age, fresh := range map[string]bool{
		"0": true, "\t0\t": true, "00": true, "1": false, "3600": false, "": false, "-1": false, "0.5": false, "soon": false,
		"99999999999999999999": false,
	} {
		for body, want := range map[string]payment.LookupResult{
			`{"code":"not_found"}`:                                  payment.FoundNothing,
			`{"status":"processing"}`:                               payment.FoundProcessing,
			`{"status":"declined","code":"card_declined"}`:          payment.FoundDeclined,
			`{"status":"pending"}`:                                  payment.FoundPending,
			`{"status":"voided"}`:                                   payment.FoundVoided,
			`{"status":"succeeded","transaction_id":"txn-1"}`:       payment.FoundApproved,
			`{"status":"succeeded","transaction_id":"txn-1","a":1}`: payment.FoundApproved,
		} {
			base := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Age"] = []string{"0", age}
				if strings.Contains(body, "not_found") {
					w.WriteHeader(http.StatusNotFound)
				}
				_, _ = io.WriteString(w, body)
			})
			l := newGateway(t, base, longTimeout).LookUp(t.Context(), payment.ChargeRef{Key: "key-1"})
			if !fresh && want != payment.FoundApproved {
				want = payment.FoundNoAnswer
				require.Contains(t, l.Message, "Age")
			}
			require.Equal(t, want, l.Result, "%s with age %q: %s", body, age, l.Message)
		}
	}
}

// A cache's answer to a charge proves nothing unless it is an approval, because it is not about this attempt.
func TestCharge_AnswerFromACache_ProvesOnlyAnApproval(t *testing.T) {
	t.Parallel()
	for _, age := range []string{"0", "7", "soon"} {
		for body, want := range map[string]struct {
			status int
			class  payment.Class
		}{
			`{"status":"declined","code":"card_declined"}`: {402, payment.ClassDeclined},
			`{"code":"invalid_request"}`:                   {400, payment.ClassRejected},
			`{"code":"busy","charged":false}`:              {502, payment.ClassNotCharged},
			`{"status":"succeeded","transaction_id":"t"}`:  {200, payment.ClassApproved},
		} {
			base := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Age"] = []string{age}
				w.WriteHeader(want.status)
				_, _ = io.WriteString(w, body)
			})
			r := newGateway(t, base, longTimeout).Charge(t.Context(), newCharge(t))
			class := want.class
			if age != "0" && class != payment.ClassApproved {
				class = payment.ClassUnknownUnanswered
			}
			require.Equal(t, class, r.Class, "%s with age %q: %s", body, age, r.Message)
		}
	}
}
