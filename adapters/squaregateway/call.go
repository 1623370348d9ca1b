package squaregateway

import (
	"context"
	"encoding/json"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"

	"paymentd/core/payment"
	"paymentd/internal/httpcall"
)

const (
	// maxAnswerBytes is far more than an answer with one payment.
	maxAnswerBytes = 128 << 10
	// maxListBytes is far more than a page of a hundred payments.
	maxListBytes = 4 << 20
)

// versionHeader is on requests, and on successful answers ("Versioning in Square APIs").
const versionHeader = "Square-Version"

// lost means that there is no answer to a call.
type lost struct {
	mayHaveLeft bool // the request may have reached Square
	message     string
}

// answer is a complete answer, which Square or something in between has written.
type answer struct {
	status  int
	header  http.Header
	body    object // nil if it is unreadable
	why     string // why it is unreadable
	errors  []apiError
	payment *squarePayment // nil if there is none, or none that is readable
	refund  *squareRefund  // the same of a refund
	at      time.Time
}

// call makes one call. The path is below the base address, and query and body may be nil.
func (g *Gateway) call(ctx context.Context, method string, path []string, query url.Values, body any) (answer, *lost) {
	token := strings.TrimSpace(g.token())
	if !printable(token) {
		return answer{}, &lost{message: "the request was not sent: there is no access token, or it has characters that no token has"}
	}
	r := httpcall.Request{Method: method, URL: g.base.JoinPath(path...), Header: http.Header{}, MaxAnswerBytes: maxAnswerBytes}
	r.URL.RawQuery = query.Encode()
	if query != nil {
		r.MaxAnswerBytes = maxListBytes
	}
	if g.addHeader != nil {
		g.addHeader(ctx, r.Header)
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "paymentd")
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set(versionHeader, g.version)
	if method == http.MethodGet {
		// A cache must not respond for Square (RFC 9111, sections 5.2 and 5.4).
		r.Header.Set("Cache-Control", "no-cache")
		r.Header.Set("Pragma", "no-cache")
	}
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return answer{}, &lost{message: "the request was not sent: " + err.Error()}
		}
		r.Header.Set("Content-Type", "application/json")
		r.Body = text
	}
	got, failed := g.client.Do(ctx, r)
	if failed != nil {
		return answer{}, &lost{mayHaveLeft: failed.MayHaveLeft, message: failed.Error()}
	}
	return g.read(got), nil
}

// read parses an answer.
func (g *Gateway) read(got httpcall.Answer) answer {
	a := answer{status: got.Status, header: got.Header, at: g.now()}
	if got.TooLong {
		a.why = "it is too long"
		return a
	}
	body, err := readObject(got.Body)
	if err != nil {
		a.why = err.Error()
		return a
	}
	a.body = body
	a.errors = readErrors(body)
	a.payment, a.refund = readPayment(body.object("payment")), readRefund(body.object("refund"))
	return a
}

// success reports whether the answer is a 200 without errors, which every call of the API gets if it
// succeeds ("Handling Errors").
func (a answer) success() bool {
	return a.status == http.StatusOK && a.body != nil && (a.body["errors"] == nil || a.body.list("errors") != nil && len(a.body.list("errors")) == 0)
}

// own reports whether Square wrote the answer: it has a payment of this key, or errors of Square's
// schema. A payment of another key makes it the answer to another request.
func (a answer) own(key payment.GatewayKey) bool {
	if a.payment != nil && a.payment.reference != "" {
		return a.payment.reference == string(key)
	}
	return a.status/100 != 1 && len(a.errors) > 0
}

// versioned reports whether the answer has the header that Square documents for successes.
func (a answer) versioned() bool { return versionPattern.MatchString(a.header.Get(versionHeader)) }

// fresh reports whether the answer was made for this call, not taken from a cache (RFC 9111, section
// 5.1). An Age that cannot be parsed means that it was cached.
func (a answer) fresh() bool {
	for _, value := range a.header["Age"] {
		if age, err := strconv.ParseUint(textproto.TrimString(value), 10, 63); err != nil || age != 0 {
			return false
		}
	}
	return true
}

// retryAfter returns the wait that the answer requests; zero for none.
func (a answer) retryAfter() time.Duration { return httpcall.RetryAfter(a.header, a.at) }

// describe returns the answer for operators, without anything of the payment method.
func (a answer) describe() string {
	text := strconv.Itoa(a.status)
	if name := http.StatusText(a.status); name != "" {
		text += " " + name
	}
	switch {
	case len(a.errors) > 0:
		text += ": " + describeErrors(a.errors)
	case a.payment != nil:
		text += " with a payment that is " + quote(a.payment.status)
	case a.refund != nil:
		text += " with a refund that is " + quote(a.refund.status)
	case a.why != "":
		text += ", which cannot be read: " + a.why
	}
	return text
}

// foreign returns a message that something other than Square has answered this request.
func (a answer) foreign() string {
	why := "it has neither a payment with the gateway key nor errors of Square's schema"
	if a.payment != nil && a.payment.reference != "" {
		why = "its payment has another reference_id than the gateway key"
	}
	return clip("the answer " + a.describe() + " is not Square's answer to this request: " + why)
}

// foreignRefund is [answer.foreign] for a request about a refund.
func (a answer) foreignRefund() string {
	why := "it has neither a refund with the gateway key in its reason nor errors of Square's schema"
	if a.refund != nil {
		why = "its refund is another one"
	}
	return clip("the answer " + a.describe() + " is not Square's answer to this request: " + why)
}

// quote quotes a value of an answer, truncated if it is long.
func quote(value string) string {
	const maxBytes = 40
	if len(value) > maxBytes {
		value = strings.ToValidUTF8(value[:maxBytes], "") + "…"
	}
	return strconv.Quote(value)
}

// clip truncates a message without splitting a character.
func clip(message string) string {
	if len(message) <= payment.MaxMessageBytes {
		return message
	}
	return strings.ToValidUTF8(message[:payment.MaxMessageBytes], "")
}

// printable reports whether s has one or more characters that are printable ASCII without spaces.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}
