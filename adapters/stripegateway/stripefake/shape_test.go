package stripefake_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v85"

	"paymentd/adapters/stripegateway/stripefake"
)

// checkShape returns the members of a JSON value that the type does not have. stripe-go's own decoders ignore
// them, also with DisallowUnknownFields.
func checkShape(path string, value any, t reflect.Type) []string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch value := value.(type) {
	case map[string]any:
		if t.Kind() != reflect.Struct {
			return nil // a map, such as metadata
		}
		var unknown []string
		fields := jsonFields(t)
		for name, inner := range value {
			field, found := fields[name]
			if name == "object" && !found {
				continue // stripe-go has no field for it in lists
			}
			if !found {
				unknown = append(unknown, fmt.Sprintf("%s.%s is not in %s", path, name, t))
				continue
			}
			unknown = append(unknown, checkShape(path+"."+name, inner, field)...)
		}
		return unknown
	case []any:
		if t.Kind() != reflect.Slice {
			return []string{path + " is an array, but not in " + t.String()}
		}
		var unknown []string
		for i, inner := range value {
			unknown = append(unknown, checkShape(fmt.Sprintf("%s[%d]", path, i), inner, t.Elem())...)
		}
		return unknown
	}
	return nil
}

func jsonFields(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for f := range t.Fields() {
		if f.Anonymous {
			maps.Copy(fields, jsonFields(f.Type))
			continue
		}
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			fields[name] = f.Type
		}
	}
	return fields
}

// api is a client without anything of the adapter.
type api struct {
	t    testing.TB
	base string
}

func newAPI(t testing.TB, o stripefake.Options) (*stripefake.Fake, *api) {
	t.Helper()
	f, err := stripefake.Open("", o)
	require.NoError(t, err)
	server := httptest.NewServer(f.Handler())
	t.Cleanup(server.Close)
	return f, &api{t, server.URL}
}

type response struct {
	status int
	header http.Header
	body   []byte
}

// do sends a request with a form, and with a key unless it is empty.
func (a *api) do(method, path, key string, form url.Values) response {
	a.t.Helper()
	r, err := a.try(method, path, key, form)
	require.NoError(a.t, err)
	return r
}

func (a *api) try(method, path, key string, form url.Values) (response, error) {
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(form.Encode())
	} else if form != nil {
		path += "?" + form.Encode()
	}
	req, err := http.NewRequest(method, a.base+path, body)
	require.NoError(a.t, err)
	req.Header.Set("Authorization", "Bearer sk_test_123")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return response{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	return response{resp.StatusCode, resp.Header, data}, err
}

// text returns a member of the body, by a path such as "error.code".
func (r response) text(path string) string {
	var value any
	if json.Unmarshal(r.body, &value) != nil {
		return ""
	}
	for name := range strings.SplitSeq(path, ".") {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	s, _ := value.(string)
	return s
}

// charge returns the form of a charge.
func charge(method string, more ...string) url.Values {
	form := url.Values{
		"amount": {"1250"}, "currency": {"usd"}, "confirm": {"true"}, "payment_method": {method},
		"return_url": {"https://shop.example/back"}, "automatic_payment_methods[enabled]": {"true"}, "metadata[paymentd_key]": {"k"},
	}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form
}

const (
	intents     = "/v1/payment_intents"
	refundsPath = "/v1/refunds"
)

// Every answer has only members of stripe-go's types, and the types decode it.
func TestAnswers_HaveTheShapesOfStripeGo(t *testing.T) {
	t.Parallel()
	f, a := newAPI(t, stripefake.Options{})
	check := func(r response, into any) {
		t.Helper()
		require.NoError(t, json.Unmarshal(r.body, into))
		var value any
		require.NoError(t, json.Unmarshal(r.body, &value))
		require.Empty(t, checkShape("", value, reflect.TypeOf(into)))
	}
	type failed struct {
		Error *stripe.Error `json:"error"`
	}
	var i stripe.PaymentIntent
	check(a.do("POST", intents, "1", charge("pm_card_visa")), &i)
	require.Equal(t, stripe.PaymentIntentStatusSucceeded, i.Status)
	check(a.do("GET", intents+"/"+i.ID, "", url.Values{"expand[]": {"latest_charge"}}), &i)
	require.EqualValues(t, 1250, i.LatestCharge.AmountCaptured)

	var refund stripe.Refund
	check(a.do("POST", refundsPath, "2", url.Values{"payment_intent": {i.ID}, "amount": {"250"}}), &refund)
	require.Equal(t, i.ID, refund.PaymentIntent.ID)
	for _, status := range []stripe.RefundStatus{
		stripe.RefundStatusSucceeded, stripe.RefundStatusPending, stripe.RefundStatusRequiresAction, stripe.RefundStatusFailed,
	} {
		require.True(t, f.SetRefund(refund.ID, string(status)))
		check(a.do("GET", refundsPath+"/"+refund.ID, "", nil), &refund)
		require.Equal(t, status, refund.Status)
		require.Equal(t, status == stripe.RefundStatusPending, refund.PendingReason == stripe.RefundPendingReasonProcessing)
		require.Equal(t, status == stripe.RefundStatusRequiresAction, refund.NextAction != nil)
	}
	require.Equal(t, stripe.RefundFailureReasonUnknown, refund.FailureReason)
	require.NotEmpty(t, refund.FailureBalanceTransaction.ID)
	var refunds stripe.RefundList
	check(a.do("GET", refundsPath, "", url.Values{"payment_intent": {i.ID}}), &refunds)
	require.Len(t, refunds.Data, 1)

	var e failed
	check(a.do("POST", intents, "3", charge("pm_card_visa_chargeDeclinedInsufficientFunds")), &e)
	require.Equal(t, stripe.DeclineCodeInsufficientFunds, e.Error.DeclineCode)
	require.Equal(t, stripe.PaymentIntentStatusRequiresPaymentMethod, e.Error.PaymentIntent.Status)
	var declined stripe.PaymentIntent
	check(a.do("GET", intents+"/"+e.Error.PaymentIntent.ID, "", url.Values{"expand[]": {"latest_charge"}}), &declined)
	require.Equal(t, stripe.DeclineCodeInsufficientFunds, declined.LastPaymentError.DeclineCode)
	require.Equal(t, "insufficient_funds", declined.LatestCharge.Outcome.Reason)
	check(a.do("POST", intents+"/"+declined.ID+"/cancel", "4", nil), &declined)
	require.Equal(t, stripe.PaymentIntentStatusCanceled, declined.Status)
	check(a.do("POST", intents+"/"+declined.ID+"/cancel", "5", nil), &e)
	require.Equal(t, stripe.ErrorCodePaymentIntentUnexpectedState, e.Error.Code)

	var action stripe.PaymentIntent
	check(a.do("POST", intents, "6", charge("pm_card_authenticationRequired")), &action)
	require.NotEmpty(t, action.NextAction.RedirectToURL.URL)
	var held stripe.PaymentIntent
	check(a.do("POST", intents, "7", charge("pm_card_visa", "capture_method", "manual", "expand[]", "latest_charge")), &held)
	require.Equal(t, stripe.PaymentIntentStatusRequiresCapture, held.Status)
	require.EqualValues(t, 1250, held.AmountCapturable)
	require.Positive(t, held.LatestCharge.PaymentMethodDetails.Card.CaptureBefore)
	require.False(t, held.LatestCharge.Captured)
	check(a.do("POST", intents+"/"+held.ID+"/capture", "8", url.Values{"amount_to_capture": {"1000"}, "metadata[a]": {"b"}}), &held)
	require.EqualValues(t, 1000, held.AmountReceived)
	require.Equal(t, map[string]string{"paymentd_key": "k", "a": "b"}, held.Metadata)
	check(a.do("POST", intents+"/"+held.ID+"/capture", "9", nil), &e)
	require.Equal(t, stripe.ErrorCodePaymentIntentUnexpectedState, e.Error.Code)
	require.Equal(t, stripe.PaymentIntentStatusSucceeded, e.Error.PaymentIntent.Status)

	var list stripe.PaymentIntentList
	check(a.do("GET", intents, "", url.Values{"limit": {"100"}}), &list)
	require.Len(t, list.Data, 4)
	var found stripe.PaymentIntentSearchResult
	check(a.do("GET", intents+"/search", "", url.Values{"query": {`metadata["paymentd_key"]:"k"`}}), &found)
	require.Len(t, found.Data, 4)
	var account stripe.Account
	check(a.do("GET", "/v1/account", "", nil), &account)

	var event stripe.Event
	for kind, id := range map[stripe.EventType]string{
		stripe.EventTypePaymentIntentSucceeded: i.ID, stripe.EventTypeRefundFailed: refund.ID, stripe.EventTypeChargeRefunded: i.ID,
	} {
		require.NoError(t, json.Unmarshal(f.Event(string(kind), id), &event))
		require.Equal(t, kind, event.Type)
		if kind == stripe.EventTypeChargeRefunded {
			require.Equal(t, "charge", event.Data.Object["object"])
			id = i.LatestCharge.ID
		}
		require.Equal(t, id, event.Data.Object["id"])
	}
	require.Empty(t, f.Event("refund.failed", "re_unknown"))
}
