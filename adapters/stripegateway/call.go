package stripegateway

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v85"

	"paymentd/core/payment"
	"paymentd/internal/httpcall"
)

const (
	// maxObjectBytes is far more than a PaymentIntent or an error with one: 50 metadata values of 500
	// characters are 100 KB at most.
	maxObjectBytes = 1 << 20
	// maxListBytes bounds a page of 100 PaymentIntents.
	maxListBytes = 16 << 20

	markHeader    = "Idempotency-Key"
	requestHeader = "Request-Id"
)

// answer is a complete HTTP response. It is Stripe's own only if it is marked.
type answer struct {
	httpcall.Answer

	body object // nil if the body is no JSON object
	err  error  // why body is nil
	now  time.Time
}

// A callError means that there is no answer.
type callError struct {
	mayHaveLeft bool
	message     string
}

func (e *callError) Error() string { return e.message }

var (
	errNoSecret  = errors.New("the secret key of Stripe is missing or no secret key; nothing was sent")
	errOtherMode = errors.New("the secret key of Stripe is of the other mode (live or test) than at the start; nothing was sent")
)

// secret returns the secret key, if it may be used.
func (g *Gateway) secret() (string, error) {
	secret := g.options.SecretKey()
	switch mode := keyMode(secret); {
	case mode == modeUnknown:
		return "", errNoSecret
	case (mode == modeLive) != g.live:
		return "", errOtherMode
	}
	return secret, nil
}

// post sends a form with an idempotency key. form must be the same for each call with the key.
func (g *Gateway) post(ctx context.Context, path, key string, form url.Values) (answer, *callError) {
	return g.call(ctx, http.MethodPost, path, nil, http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"}, markHeader: {key},
	}, []byte(form.Encode())) // Encode sorts by name
}

// get reads. A cache must not respond for Stripe (RFC 9111, sections 5.2 and 5.4).
func (g *Gateway) get(ctx context.Context, path string, query url.Values) (answer, *callError) {
	return g.call(ctx, http.MethodGet, path, query, http.Header{
		"Cache-Control": {"no-cache"}, "Pragma": {"no-cache"},
	}, nil)
}

func (g *Gateway) call(
	ctx context.Context, method, path string, query url.Values, header http.Header, body []byte,
) (answer, *callError) {
	secret, err := g.secret()
	if err != nil {
		return answer{}, &callError{message: err.Error()}
	}
	all := make(http.Header)
	g.options.Header(ctx, all)
	maps.Copy(all, header)
	all.Set("Accept", "application/json")
	all.Set("User-Agent", "paymentd")
	all.Set("Authorization", "Bearer "+secret)
	all.Set("Stripe-Version", stripe.APIVersion) // without it, the account's default version answers
	most := maxObjectBytes
	if query.Has("limit") {
		most = maxListBytes
	}
	u := g.base.JoinPath(path)
	u.RawQuery = query.Encode()
	got, lost := g.client.Do(ctx, httpcall.Request{Method: method, URL: u, Header: all, Body: body, MaxAnswerBytes: most})
	if lost != nil {
		return answer{}, &callError{mayHaveLeft: lost.MayHaveLeft, message: lost.Error()}
	}
	a := answer{Answer: got, now: time.Now()}
	if a.TooLong {
		a.err = errTooLong
	} else {
		a.body, a.err = parseObject(a.Body)
	}
	return a, nil
}

// echoes reports whether Stripe itself wrote the answer to a POST with this key: its Idempotency-Key is
// ours. On a request without a key, Stripe returns a key of its own. If the header is repeated, each value
// must be the key, because otherwise an intermediary has added one.
func (a answer) echoes(key string) bool {
	values := a.Header[markHeader]
	for _, value := range values {
		if textproto.TrimString(value) != key {
			return false
		}
	}
	return len(values) > 0 && key != "" && a.Status/100 != 1
}

// read reports whether Stripe itself wrote the answer to a GET, and not for an earlier request: it has a
// Request-Id, and its body is an object of the kind or an error of Stripe's schema.
func (a answer) read(kind string) bool {
	if a.Header.Get(requestHeader) == "" || a.body == nil || !a.fresh() {
		return false
	}
	if a.Status == http.StatusOK {
		return a.body.text("object") == kind
	}
	return a.Status >= http.StatusBadRequest && a.failure().kind != ""
}

// fresh reports whether the answer was made for this request, not taken from a cache (RFC 9111, section
// 5.1).
func (a answer) fresh() bool {
	for _, value := range a.Header["Age"] {
		if age, err := strconv.ParseUint(textproto.TrimString(value), 10, 63); err != nil || age != 0 {
			return false
		}
	}
	return true
}

// repeatHelps reports whether Stripe says that the same request may get another answer. Without the header
// Stripe-Should-Retry, or with "false", the status decides what the answer proves
// (docs.stripe.com/error-low-level#should-retry).
func (a answer) repeatHelps() bool {
	return textproto.TrimString(a.Header.Get("Stripe-Should-Retry")) == "true"
}

// replayed reports whether this is the saved answer of an earlier request with the key.
func (a answer) replayed() bool {
	return textproto.TrimString(a.Header.Get("Idempotent-Replayed")) == "true"
}

// failure is the error object of an answer (docs.stripe.com/api/errors).
type failure struct {
	kind, code, decline, message, param string
	intent                              *intent // nil if the error names none
}

func (a answer) failure() failure { return failureOf(a.body.object("error")) }

func failureOf(o object) failure {
	f := failure{
		kind: o.text("type"), code: o.text("code"), decline: o.text("decline_code"),
		message: o.text("message"), param: o.text("param"),
	}
	if i, err := intentOf(o.object("payment_intent")); err == nil {
		f.intent = &i
	}
	return f
}

// text describes the failure for an operator. It begins with Stripe's own code.
func (f failure) text() string {
	code := f.decline
	if code == "" {
		code = f.code
	}
	switch {
	case code == "":
		return f.message
	case f.message == "":
		return code
	}
	return code + ": " + f.message
}

// describe returns the status, the error and the request id for an operator.
func (a answer) describe() string {
	var text strings.Builder
	text.WriteString("Stripe answered " + strconv.Itoa(a.Status))
	if name := http.StatusText(a.Status); name != "" {
		text.WriteString(" " + name)
	}
	if words := a.failure().text(); words != "" {
		text.WriteString(": " + words)
	}
	if a.replayed() {
		text.WriteString(", the saved answer of an earlier attempt")
	}
	if id := a.Header.Get(requestHeader); id != "" {
		text.WriteString(" (" + id + ")")
	}
	return clip(text.String())
}

// unmarked describes an answer that is not Stripe's own.
func (a answer) unmarked(why string) string {
	return clip("the answer " + strconv.Itoa(a.Status) + " was not written by Stripe itself: " + why)
}

// retryAfter returns the wait that the answer asks for; zero for none.
func (a answer) retryAfter() time.Duration { return httpcall.RetryAfter(a.Header, a.now) }

// clip truncates a message without splitting a character.
func clip(message string) string {
	if len(message) <= payment.MaxMessageBytes {
		return message
	}
	return strings.ToValidUTF8(message[:payment.MaxMessageBytes], "")
}
