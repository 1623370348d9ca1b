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

func TestChargeRequest(t *testing.T) {
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
	r := newGateway(t, base+"/pay/v1/", patience).Charge(t.Context(), newCharge(t))
	require.Equal(t, payment.Result{Class: payment.ClassApproved, TransactionID: "txn-21408"}, r)
}

func TestLookUpRequest(t *testing.T) {
	t.Parallel()
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.EscapedPath() != "/v1/charges/a%2Fb%3Fc" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		_, _ = io.WriteString(w, approved)
	})
	l := newGateway(t, base+"/v1", patience).LookUp(t.Context(), "a/b?c")
	require.Equal(t, payment.Lookup{Finding: payment.FoundApproved, TransactionID: "txn-21408"}, l)
}

func TestWithoutKeyNothingIsSent(t *testing.T) {
	t.Parallel()
	g := newGateway(t, serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") }), patience)
	c := newCharge(t)
	c.Key = ""
	require.Equal(t, payment.ClassRejected, g.Charge(t.Context(), c).Class)
	require.Equal(t, payment.FoundNoAnswer, g.LookUp(t.Context(), "").Finding)
}

func TestChargeAnswers(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return strings.Repeat("x", n) }
	tests := map[string]struct {
		status     int
		body       string
		want       payment.Class
		wantCode   string
		wantInText string
	}{
		"200":                      {200, approved, payment.ClassApproved, "", ""},
		"201":                      {201, approved, payment.ClassApproved, "", ""},
		"202 succeeded":            {202, approved, payment.ClassApproved, "", ""},
		"200 without a status":     {200, `{"transaction_id":"txn-1"}`, payment.ClassApproved, "", ""},
		"200 with odd remarks":     {200, `{"transaction_id":"txn-1","code":0,"message":null,"error":{},"fee":[1]}`, payment.ClassApproved, "", ""},
		"longest id":               {200, `{"transaction_id":"` + long(255) + `","status":"succeeded"}`, payment.ClassApproved, "", ""},
		"202 without a status":     {202, `{"transaction_id":"txn-1"}`, payment.ClassUnknownUnanswered, "", "202 Accepted"},
		"200 processing":           {200, `{"status":"processing"}`, payment.ClassUnknownUnanswered, "", `"processing"`},
		"200 other status":         {200, `{"transaction_id":"txn-1","status":"` + long(2000) + `"}`, payment.ClassUnknownUnanswered, "", `xxx…"`},
		"200 declined":             {200, `{"status":"declined","code":"card_expired"}`, payment.ClassDeclined, "card_expired", ""},
		"200 empty":                {200, ``, payment.ClassUnknownAnswered, "", "cannot be read"},
		"204":                      {204, ``, payment.ClassUnknownAnswered, "", "cannot be read"},
		"200 empty object":         {200, `{}`, payment.ClassUnknownAnswered, "", "no transaction id"},
		"200 null":                 {200, `null`, payment.ClassUnknownAnswered, "", "cannot be read"},
		"200 array":                {200, `[` + approved + `]`, payment.ClassUnknownAnswered, "", "cannot be read"},
		"200 cut JSON":             {200, approved[:20], payment.ClassUnknownAnswered, "", "cannot be read"},
		"200 two answers":          {200, approved + approved, payment.ClassUnknownAnswered, "", "cannot be read"},
		"200 number for id":        {200, `{"transaction_id":21408,"status":"succeeded"}`, payment.ClassUnknownAnswered, "", "cannot be read"},
		"200 empty id":             {200, `{"transaction_id":"","status":"succeeded"}`, payment.ClassUnknownAnswered, "", "no transaction id"},
		"200 id too long":          {200, `{"transaction_id":"` + long(256) + `","status":"succeeded"}`, payment.ClassUnknownAnswered, "", "longer than 255"},
		"200 not UTF-8":            {200, "{\"transaction_id\":\"txn-\xff\",\"status\":\"succeeded\"}", payment.ClassUnknownAnswered, "", "not UTF-8"},
		"200 huge":                 {200, approved + strings.Repeat(" ", 64<<10), payment.ClassUnknownAnswered, "", "longer than 65536"},
		"200 just not huge":        {200, approved + strings.Repeat(" ", 64<<10-len(approved)), payment.ClassApproved, "", ""},
		"402":                      {402, `{"code":"card_declined","message":"No."}`, payment.ClassDeclined, "card_declined", "No."},
		"402 longest code":         {402, `{"code":"` + long(64) + `"}`, payment.ClassDeclined, long(64), ""},
		"402 code too long":        {402, `{"code":"` + long(65) + `"}`, payment.ClassDeclined, long(64), ""},
		"402 long message":         {402, `{"code":"no","message":"` + strings.Repeat("é", 400) + `"}`, payment.ClassDeclined, "no", "éé"},
		"402 empty":                {402, ``, payment.ClassDeclined, "declined", "declined"},
		"402 text":                 {402, `Payment Required`, payment.ClassDeclined, "declined", "declined"},
		"402 other error":          {402, `{"error":"No money"}`, payment.ClassDeclined, "declined", "No money"},
		"402 huge":                 {402, long(70 << 10), payment.ClassUnknownAnswered, "", "402 Payment Required"},
		"400":                      {400, `{"message":"amount is missing"}`, payment.ClassRejected, "", "400 Bad Request: amount is missing"},
		"401":                      {401, ``, payment.ClassRejected, "", "401 Unauthorized"},
		"403":                      {403, ``, payment.ClassRejected, "", "403 Forbidden"},
		"404":                      {404, ``, payment.ClassRejected, "", "404 Not Found"},
		"422":                      {422, `{"error":"another amount"}`, payment.ClassRejected, "", "another amount"},
		"429":                      {429, ``, payment.ClassNotCharged, "", "429"},
		"405 is not in the table":  {405, ``, payment.ClassUnknownAnswered, "", "405"},
		"408 waited for us":        {408, ``, payment.ClassUnknownUnanswered, "", "408"},
		"409":                      {409, `{"message":"in use"}`, payment.ClassUnknownAnswered, "", "409 Conflict: in use"},
		"425 is not in the table":  {425, ``, payment.ClassUnknownAnswered, "", "425"},
		"451 is not in the table":  {451, ``, payment.ClassUnknownAnswered, "", "451"},
		"500":                      {500, `{"message":"` + long(5000) + `"}`, payment.ClassUnknownAnswered, "", "500 Internal Server Error: xx"},
		"501":                      {501, ``, payment.ClassUnknownAnswered, "", "501"},
		"502":                      {502, ``, payment.ClassUnknownUnanswered, "", "502 Bad Gateway"},
		"502 huge":                 {502, long(70 << 10), payment.ClassUnknownUnanswered, "", "502 Bad Gateway"},
		"503":                      {503, ``, payment.ClassUnknownAnswered, "", "503 Service Unavailable"},
		"504":                      {504, ``, payment.ClassUnknownUnanswered, "", "504 Gateway Timeout"},
		"599 without a name":       {599, ``, payment.ClassUnknownAnswered, "", "answered 599"},
		"succeeded under a 500":    {500, approved, payment.ClassUnknownAnswered, "", "500"},
		"300 without a way onward": {300, approved, payment.ClassUnknownAnswered, "", "300"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, say(t, tt.status, jsonType, tt.body), patience)
			r := g.Charge(t.Context(), newCharge(t))
			require.Equal(t, tt.want, r.Class, r.Message)
			require.Equal(t, tt.wantCode, r.Code)
			require.Contains(t, r.Message, tt.wantInText)
			require.LessOrEqual(t, len(r.Message), payment.MaxMessageBytes)
			require.NotContains(t, r.Message, "\uFFFD")
			require.Equal(t, r.Class == payment.ClassApproved, r.TransactionID != "")
			require.Zero(t, r.RetryAfter)
		})
	}
}

func TestChargeAnsweredByWebPage(t *testing.T) {
	t.Parallel()
	tests := map[int]payment.Class{
		200: payment.ClassUnknownAnswered,
		402: payment.ClassUnknownAnswered, // a hosting company's, for an unpaid bill
		403: payment.ClassRejected,
		404: payment.ClassRejected,
		429: payment.ClassNotCharged,
		500: payment.ClassUnknownAnswered,
		502: payment.ClassUnknownUnanswered,
		503: payment.ClassUnknownAnswered,
	}
	for status, want := range tests {
		for _, contentType := range []string{htmlType, jsonType} {
			t.Run(strconv.Itoa(status)+" "+contentType, func(t *testing.T) {
				t.Parallel()
				r := newGateway(t, say(t, status, contentType, page), patience).Charge(t.Context(), newCharge(t))
				require.Equal(t, want, r.Class, r.Message)
				require.NotContains(t, r.Message, "It works")
			})
		}
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") })
	for _, location := range []string{elsewhere + "/charges", ":// not a URL", ""} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			base := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Location"] = []string{location}
				w.WriteHeader(status)
			})
			g := newGateway(t, base, patience)
			r := g.Charge(t.Context(), newCharge(t))
			require.Equal(t, payment.ClassUnknownAnswered, r.Class, r.Message)
			require.Equal(t, payment.FoundNoAnswer, g.LookUp(t.Context(), "key-1").Finding)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for _, status := range []int{429, 503} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			t.Parallel()
			wish := make(chan string, 1)
			g := newGateway(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", <-wish)
				w.WriteHeader(status)
			}), patience)

			wish <- "7"
			require.Equal(t, 7*time.Second, g.Charge(t.Context(), newCharge(t)).RetryAfter)

			wish <- time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
			require.InDelta(t, time.Hour, g.Charge(t.Context(), newCharge(t)).RetryAfter, float64(time.Minute))
		})
	}
}

func TestLookUpAnswers(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 300)
	tests := map[string]struct {
		status      int
		contentType string
		body        string
		want        payment.Lookup // without its message
	}{
		"succeeded":            {200, jsonType, approved, payment.Lookup{Finding: payment.FoundApproved, TransactionID: "txn-21408"}},
		"declined":             {200, jsonType, `{"status":"declined","code":"no"}`, payment.Lookup{Finding: payment.FoundDeclined, Code: "no"}},
		"declined, no code":    {200, jsonType, `{"status":"declined"}`, payment.Lookup{Finding: payment.FoundDeclined, Code: "declined"}},
		"processing":           {200, jsonType, `{"status":"processing"}`, payment.Lookup{Finding: payment.FoundProcessing}},
		"nothing, no body":     {404, "", ``, payment.Lookup{Finding: payment.FoundNothing}},
		"nothing, JSON":        {404, jsonType, `{"message":"no charge has this key"}`, payment.Lookup{Finding: payment.FoundNothing}},
		"nothing, text":        {404, "text/plain", "no charge has this key\n", payment.Lookup{Finding: payment.FoundNothing}},
		"404 of a web server":  {404, htmlType, page, payment.Lookup{Finding: payment.FoundNoAnswer}},
		"404 page as JSON":     {404, jsonType, "\n" + page, payment.Lookup{Finding: payment.FoundNoAnswer}},
		"404 empty page":       {404, htmlType, ``, payment.Lookup{Finding: payment.FoundNoAnswer}},
		"no status":            {200, jsonType, `{"transaction_id":"txn-1"}`, payment.Lookup{Finding: payment.FoundNoAnswer}},
		"other status":         {200, jsonType, `{"status":"refunded"}`, payment.Lookup{Finding: payment.FoundNoAnswer}},
		"no id":                {200, jsonType, `{"status":"succeeded"}`, payment.Lookup{Finding: payment.FoundNoAnswer}},
		"id too long":          {200, jsonType, `{"status":"succeeded","transaction_id":"` + long + `"}`, payment.Lookup{Finding: payment.FoundNoAnswer}},
		"code too long":        {200, jsonType, `{"status":"declined","code":"` + long + `"}`, payment.Lookup{Finding: payment.FoundDeclined, Code: long[:payment.MaxCodeBytes]}},
		"web page":             {200, htmlType, page, payment.Lookup{Finding: payment.FoundNoAnswer}},
		"empty":                {200, jsonType, ``, payment.Lookup{Finding: payment.FoundNoAnswer}},
		"huge":                 {200, jsonType, approved + strings.Repeat(" ", 64<<10), payment.Lookup{Finding: payment.FoundNoAnswer}},
		"decline is not a 402": {402, jsonType, `{"code":"card_declined"}`, payment.Lookup{Finding: payment.FoundNoAnswer}},
		"201":                  {201, jsonType, approved, payment.Lookup{Finding: payment.FoundNoAnswer}},
		"401":                  {401, jsonType, ``, payment.Lookup{Finding: payment.FoundNoAnswer}},
		"410":                  {410, jsonType, ``, payment.Lookup{Finding: payment.FoundNoAnswer}},
		"429":                  {429, jsonType, ``, payment.Lookup{Finding: payment.FoundNoAnswer}},
		"500":                  {500, jsonType, approved, payment.Lookup{Finding: payment.FoundNoAnswer}},
		"503":                  {503, jsonType, ``, payment.Lookup{Finding: payment.FoundNoAnswer}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newGateway(t, say(t, tt.status, tt.contentType, tt.body), patience).LookUp(t.Context(), "key-1")
			message := l.Message
			l.Message = ""
			require.Equal(t, tt.want, l, message)
			require.LessOrEqual(t, len(message), payment.MaxMessageBytes)
			if l.Finding == payment.FoundNoAnswer {
				require.Contains(t, message, strconv.Itoa(tt.status))
			}
		})
	}
}
