package stripegateway_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/stripegateway"
	"paymentd/core/payment"
)

// newStub opens the adapter for a server that answers as the test decides.
func newStub(t *testing.T, handler http.HandlerFunc) *stripegateway.Gateway {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return openAt(t, server)
}

// stubIntent is a PaymentIntent of [stubCharge].
const stubIntent = `{"id":"pi_1","object":"payment_intent","amount":1250,"currency":"usd","livemode":false,"created":1767225600,` +
	`"metadata":{"paymentd_key":"key-1","paymentd_order_id":"order-1"},"status":"succeeded"}`

func stubCharge(t *testing.T) payment.Charge {
	t.Helper()
	return payment.Charge{Key: "key-1", OrderID: "order-1", Money: money(t, "12.50", "USD"), Method: visa}
}

// with returns the intent with a member replaced.
func with(name, value string) string {
	i := strings.Index(stubIntent, `"`+name+`":`) + len(name) + 3
	end := i + strings.IndexAny(stubIntent[i:], ",}")
	return stubIntent[:i] + value + stubIntent[end:]
}

func intentError(kind, code, status string) string {
	return `{"error":{"type":"` + kind + `","code":"` + code + `","message":"No.","payment_intent":` +
		with("status", `"`+status+`"`) + `}}`
}

// answers is what a stub answers to a charge, with the class.
type stubAnswer struct {
	status int
	header map[string]string
	body   string
	want   payment.Class
}

// Each row of the table of answers to a charge.
func TestCharge_MarkedAnswers(t *testing.T) {
	t.Parallel()
	const (
		unknown = payment.ClassUnknownAnswered
		running = payment.ClassUnknownUnanswered
		pending = payment.ClassPending
	)
	retry := map[string]string{"Stripe-Should-Retry": "true"}
	for name, tt := range map[string]stubAnswer{
		"succeeded":                   {200, nil, stubIntent, payment.ClassApproved},
		"requires_capture":            {200, nil, with("status", `"requires_capture"`), payment.ClassAuthorized},
		"processing":                  {200, nil, with("status", `"processing"`), pending},
		"requires_action":             {200, nil, with("status", `"requires_action"`), pending}, // counted as paid in lago-api#5250
		"requires_confirmation":       {200, nil, with("status", `"requires_confirmation"`), pending},
		"canceled, replayed":          {200, nil, with("status", `"canceled"`), pending}, // openedx/ecommerce#4156
		"an unknown status":           {200, nil, with("status", `"requires_patience"`), unknown},
		"declined as a 200":           {200, nil, with("status", `"requires_payment_method","last_payment_error":{"type":"card_error","code":"card_declined"}`), pending},
		"another key":                 {200, nil, strings.Replace(stubIntent, "key-1", "key-2", 1), unknown},
		"another amount":              {200, nil, with("amount", "125000"), unknown},
		"another currency":            {200, nil, with("currency", `"jpy"`), unknown},
		"live mode":                   {200, nil, with("livemode", "true"), unknown},
		"no id":                       {200, nil, with("id", `""`), unknown},
		"an id with a slash":          {200, nil, with("id", `"pi_1/cancel"`), unknown},
		"another object":              {200, nil, with("object", `"charge"`), unknown},
		"a repeated member":           {200, nil, `{"status":"succeeded",` + stubIntent[1:], unknown},
		"other case":                  {200, nil, strings.Replace(stubIntent, `"status"`, `"Status"`, 1), unknown},
		"two objects":                 {200, nil, stubIntent + stubIntent, unknown},
		"not UTF-8":                   {200, nil, stubIntent[:len(stubIntent)-1] + `,"x":"` + "\xff" + `"}`, unknown},
		"empty":                       {200, nil, "", unknown},
		"201":                         {201, nil, stubIntent, unknown},
		"302":                         {302, map[string]string{"Location": "/x"}, "", unknown},
		"idempotency_error":           {400, nil, `{"error":{"type":"idempotency_error","message":"Keys for idempotent requests…"}}`, payment.ClassKeyReused},
		"key in use":                  {409, nil, `{"error":{"type":"idempotency_error","code":"idempotency_key_in_use"}}`, running},
		"key in use, other status":    {400, nil, `{"error":{"type":"idempotency_error","code":"idempotency_key_in_use"}}`, running},
		"409 without a body":          {409, nil, "", running},
		"missing return_url":          {400, nil, `{"error":{"type":"invalid_request_error","param":"return_url","message":"…"}}`, payment.ClassRejected}, // stripe-ios#1198
		"400 to be repeated":          {400, retry, `{"error":{"type":"invalid_request_error","message":"…"}}`, unknown},
		"400 without an error":        {400, nil, `{}`, unknown},
		"no such payment method":      {400, nil, `{"error":{"type":"invalid_request_error","code":"resource_missing","param":"payment_method"}}`, payment.ClassDeclined},
		"no such customer":            {400, nil, `{"error":{"type":"invalid_request_error","code":"resource_missing","param":"customer"}}`, payment.ClassRejected},
		"a card error as 400":         {400, nil, `{"error":{"type":"card_error","code":"incorrect_number"}}`, payment.ClassDeclined},
		"amount too small":            {400, nil, `{"error":{"type":"invalid_request_error","code":"amount_too_small","param":"amount"}}`, payment.ClassRejected},
		"401":                         {401, nil, `{"error":{"type":"invalid_request_error","message":"Invalid API Key provided"}}`, payment.ClassRejected},
		"403":                         {403, nil, `{"error":{"type":"invalid_request_error","message":"no permission"}}`, payment.ClassRejected},
		"404":                         {404, nil, `{"error":{"type":"invalid_request_error","message":"Unrecognized request URL"}}`, payment.ClassRejected},
		"402 without an intent":       {402, nil, `{"error":{"type":"card_error","code":"card_declined","decline_code":"do_not_honor"}}`, payment.ClassDeclined},
		"402 of another kind":         {402, nil, `{"error":{"type":"api_error","message":"…"}}`, unknown},
		"402 from a cache":            {402, map[string]string{"Age": "3"}, intentError("card_error", "card_declined", "requires_payment_method"), payment.ClassUnknownUnanswered},
		"400 from a cache":            {400, map[string]string{"Age": "3"}, `{"error":{"type":"invalid_request_error","message":"…"}}`, payment.ClassUnknownUnanswered},
		"success from a cache":        {200, map[string]string{"Age": "3"}, stubIntent, payment.ClassApproved},
		"424":                         {424, nil, `{"error":{"type":"api_error","message":"…"}}`, unknown},
		"429":                         {429, nil, `{"error":{"type":"invalid_request_error","code":"rate_limit"}}`, payment.ClassNotCharged},
		"429 lock_timeout":            {429, retry, `{"error":{"type":"invalid_request_error","code":"lock_timeout"}}`, unknown},
		"500":                         {500, retry, `{"error":{"type":"api_error","message":"…"}}`, unknown},
		"500 not to be repeated":      {500, map[string]string{"Stripe-Should-Retry": "false"}, `{"error":{"type":"api_error"}}`, unknown},
		"500 that is no JSON":         {500, nil, "<html>", unknown},
		"503":                         {503, nil, `{"error":{"type":"api_error"}}`, unknown},
		"402, the intent succeeded":   {402, nil, intentError("card_error", "card_declined", "succeeded"), pending},
		"402, the intent is running":  {402, nil, intentError("card_error", "card_declined", "processing"), pending},
		"400, the intent is declined": {400, nil, intentError("invalid_request_error", "payment_intent_unexpected_state", "requires_payment_method"), pending},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newStub(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet || strings.HasSuffix(r.URL.Path, "/cancel") {
					w.WriteHeader(http.StatusBadGateway) // whether an intent is cancelled is not known
					return
				}
				for name, value := range tt.header {
					w.Header().Set(name, value)
				}
				w.Header().Set("Idempotency-Key", r.Header.Get("Idempotency-Key"))
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			})
			r := g.Charge(t.Context(), stubCharge(t))
			require.Equal(t, tt.want, r.Class, r.Message)
			require.True(t, r.Answered)
			require.Equal(t, r.Class == payment.ClassApproved || r.Class == payment.ClassAuthorized, r.TransactionID == "pi_1")
			require.Equal(t, r.Class == payment.ClassDeclined, r.Code != "")
			require.Equal(t, r, r.Sanitized())
		})
	}
}

// The echoed key must be ours: on a request without a key, Stripe returns one of its own.
func TestCharge_UnmarkedAnswers_ProveNothing(t *testing.T) {
	t.Parallel()
	for name, marks := range map[string][]string{
		"none": nil, "another": {"key-2"}, "two": {"key-1", "key-2"}, "a list": {"key-1, key-1"}, "other case": {"KEY-1"}, "empty": {""},
	} {
		for _, status := range []int{200, 400, 401, 402, 404, 409, 429, 500, 503} {
			g := newStub(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Idempotency-Key"] = marks
				w.Header().Set("Request-Id", "req_1")
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(status)
				_, _ = io.WriteString(w, stubIntent)
			})
			r := g.Charge(t.Context(), stubCharge(t))
			require.Equal(t, payment.ClassUnknownUnanswered, r.Class, "%s %d", name, status)
			require.False(t, r.Answered)
			require.Contains(t, r.Message, "not written by Stripe itself")
			require.EqualValues(t, 7e9, r.RetryAfter)
		}
	}
}

// An answer to a GET is Stripe's own with a Request-Id and a body of its schema. Any other proves nothing.
func TestLookUp_UnmarkedAnswers_ProveNothing(t *testing.T) {
	t.Parallel()
	list := func(data string) string {
		return `{"object":"list","url":"/v1/payment_intents","has_more":false,"data":[` + data + `]}`
	}
	for name, tt := range map[string]struct {
		status int
		id     string // Request-Id
		age    string
		body   string
		want   payment.LookupResult
	}{
		"an empty list":           {200, "req_1", "", list(""), payment.FoundNothing},
		"no Request-Id":           {200, "", "", list(""), payment.FoundNoAnswer},
		"from a cache":            {200, "req_1", "3", list(""), payment.FoundNoAnswer},
		"fresh from a cache":      {200, "req_1", "0", list(""), payment.FoundNothing},
		"another object":          {200, "req_1", "", `{"object":"search_result","has_more":false,"data":[]}`, payment.FoundNoAnswer},
		"no has_more":             {200, "req_1", "", `{"object":"list","data":[]}`, payment.FoundNoAnswer},
		"has_more without data":   {200, "req_1", "", `{"object":"list","has_more":true,"data":[]}`, payment.FoundNoAnswer},
		"data is null":            {200, "req_1", "", `{"object":"list","has_more":false,"data":null}`, payment.FoundNoAnswer},
		"404 of a proxy":          {404, "req_1", "", `{"message":"not found"}`, payment.FoundNoAnswer},
		"404 of Stripe":           {404, "req_1", "", `{"error":{"type":"invalid_request_error","code":"resource_missing"}}`, payment.FoundNoAnswer},
		"401":                     {401, "req_1", "", `{"error":{"type":"invalid_request_error"}}`, payment.FoundNoAnswer},
		"500":                     {500, "req_1", "", `{"error":{"type":"api_error"}}`, payment.FoundNoAnswer},
		"page":                    {200, "req_1", "", "<html>", payment.FoundNoAnswer},
		"intents of other orders": {200, "req_1", "", list(strings.Replace(stubIntent, "key-1", "key-2", 1)), payment.FoundNothing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newStub(t, func(w http.ResponseWriter, _ *http.Request) {
				if tt.id != "" {
					w.Header().Set("Request-Id", tt.id)
				}
				if tt.age != "" {
					w.Header().Set("Age", tt.age)
				}
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			})
			l := g.LookUp(t.Context(), payment.ChargeRef{Key: "key-1"})
			require.Equal(t, tt.want, l.Result, l.Message)
		})
	}
}
