package stripefake_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/stripegateway/stripefake"
)

func TestKeys_Replay(t *testing.T) {
	t.Parallel()
	_, a := newAPI(t, stripefake.Options{})
	for key, form := range map[string]url.Values{"1": charge("pm_card_visa"), "2": charge("pm_card_visa_chargeDeclined")} {
		first := a.do("POST", intents, key, form)
		require.Equal(t, key, first.header.Get("Idempotency-Key"))
		require.Empty(t, first.header.Get("Idempotent-Replayed"))
		again := a.do("POST", intents, key, form)
		require.Equal(t, first.status, again.status)
		require.JSONEq(t, string(first.body), string(again.body))
		require.Equal(t, "true", again.header.Get("Idempotent-Replayed"))
		require.Equal(t, first.header.Get("Request-Id"), again.header.Get("Original-Request"))
		require.NotEqual(t, first.header.Get("Request-Id"), again.header.Get("Request-Id"))
	}
}

func TestKeys_OtherRequest_IsRefused(t *testing.T) {
	t.Parallel()
	_, a := newAPI(t, stripefake.Options{})
	id := a.do("POST", intents, "1", charge("pm_card_visa")).text("id")
	for path, form := range map[string]url.Values{
		intents: charge("pm_card_visa", "amount", "1251"), intents + "/" + id + "/cancel": nil, "/v1/refunds": {"payment_intent": {id}},
	} {
		r := a.do("POST", path, "1", form)
		require.Equal(t, http.StatusBadRequest, r.status, path)
		require.Equal(t, "idempotency_error", r.text("error.type"))
	}
}

// Validation failures, 401 and 409 are not saved.
func TestKeys_RequestThatWasNotExecuted_IsNotSaved(t *testing.T) {
	t.Parallel()
	f, a := newAPI(t, stripefake.Options{})
	require.Equal(t, 400, a.do("POST", intents, "1", charge("pm_card_visa", "amount", "-5")).status)
	require.Equal(t, "resource_missing", a.do("POST", intents, "1", charge("pm_unknown")).text("error.code"))
	require.Equal(t, "parameter_unknown", a.do("POST", intents, "1", charge("pm_card_visa", "x", "y")).text("error.code"))
	noReturn := charge("pm_card_visa")
	noReturn.Del("return_url")
	require.Equal(t, "return_url", a.do("POST", intents, "1", noReturn).text("error.param"))
	f.Inject(stripefake.RateLimit)
	require.Equal(t, 429, a.do("POST", intents, "1", charge("pm_card_visa")).status)
	require.Equal(t, 200, a.do("POST", intents, "1", charge("pm_card_visa")).status)
	require.Equal(t, 1, f.Charges("k"))
}

func TestKeys_InUse_Conflicts(t *testing.T) {
	t.Parallel()
	f, a := newAPI(t, stripefake.Options{})
	const n = 8
	answers := make(chan response, n)
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			r, err := a.try("POST", intents, "1", charge("pm_card_slow"))
			if err != nil {
				t.Error(err)
			}
			answers <- r
		})
	}
	all.Wait()
	statuses := map[int]int{}
	for range n {
		r := <-answers
		statuses[r.status]++
		require.Equal(t, r.status == http.StatusConflict, r.text("error.code") == "idempotency_key_in_use")
	}
	require.NotZero(t, statuses[http.StatusConflict])
	require.NotZero(t, statuses[http.StatusOK])
	require.Equal(t, 1, f.Charges("k"))
}

// A request without a key gets a key of Stripe's.
func TestKeys_None_IsMadeUp(t *testing.T) {
	t.Parallel()
	f, a := newAPI(t, stripefake.Options{})
	for range 2 {
		require.NotEmpty(t, a.do("POST", intents, "", charge("pm_card_visa")).header.Get("Idempotency-Key"))
	}
	require.Equal(t, 2, f.Charges("k"))
}

func TestRefund_MoreThanIsLeft_IsRefused(t *testing.T) {
	t.Parallel()
	f, a := newAPI(t, stripefake.Options{})
	id := a.do("POST", intents, "1", charge("pm_card_visa")).text("id")
	refund := func(amount, key string) response {
		return a.do("POST", refundsPath, key, url.Values{"payment_intent": {id}, "amount": {amount}})
	}
	first := refund("1000", "r1")
	require.Equal(t, "succeeded", first.text("status"))
	require.Equal(t, "amount", refund("251", "r2").text("error.param"))
	require.Equal(t, 200, refund("250", "r3").status)
	require.Equal(t, "charge_already_refunded", refund("1", "r4").text("error.code"))

	// A refund that failed has given its amount back, once. A repeat still gets the first answer.
	require.True(t, f.SetRefund(first.text("id"), "failed"))
	require.False(t, f.SetRefund(first.text("id"), "failed"))
	require.EqualValues(t, 250, f.Refunded(id))
	require.Equal(t, "succeeded", refund("1000", "r1").text("status"))
	require.Equal(t, 200, refund("1000", "r5").status)
	require.EqualValues(t, 1250, f.Refunded(id))
}

// What decides about a refund is the payment method of its charge (docs.stripe.com/testing#refunds).
func TestRefund_ByPaymentMethod(t *testing.T) {
	t.Parallel()
	f, a := newAPI(t, stripefake.Options{})
	for method, want := range map[string]struct{ status, code, prefix string }{
		"pm_card_visa":                   {status: "succeeded", prefix: "re_"},
		"pm_card_pendingRefund":          {status: "pending", prefix: "re_"},
		"pm_card_refundFail":             {status: "succeeded", prefix: "re_"},
		"pm_usBankAccount_success":       {status: "pending", prefix: "pyr_"},
		"pm_card_createDispute":          {code: "charge_disputed"},
		"pm_card_authenticationRequired": {code: "payment_intent_unexpected_state"},
	} {
		id := a.do("POST", intents, method, charge(method)).text("id")
		f.Settle(id)
		r := a.do("POST", refundsPath, "r-"+method, url.Values{"payment_intent": {id}})
		require.Equal(t, want.status, r.text("status"), method)
		require.Equal(t, want.code, r.text("error.code"), method)
		require.True(t, strings.HasPrefix(r.text("id"), want.prefix), method)
	}
	id := a.do("POST", intents, "1", charge("pm_card_visa")).text("id")
	require.Equal(t, 404, a.do("POST", refundsPath, "2", url.Values{"payment_intent": {"pi_unknown"}}).status)
	require.Equal(t, 404, a.do("GET", refundsPath+"/re_unknown", "", nil).status)
	require.Equal(t, "parameter_unknown", a.do("POST", refundsPath, "3", url.Values{"payment_intent": {id}, "attempt": {"1"}}).text("error.code"))
	require.Equal(t, 400, a.do("POST", refundsPath, "4", url.Values{"payment_intent": {id}, "amount": {"0"}}).status)
	require.Zero(t, f.Refunded(id))
}

// Refunds are listed in pages, newest first, and lag.
func TestRefunds_List(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	_, a := newAPI(t, stripefake.Options{Clock: func() time.Time { return now }, ListLag: time.Minute})
	id := a.do("POST", intents, "1", charge("pm_card_visa")).text("id")
	var want []string
	for n := range 3 {
		form := url.Values{"payment_intent": {id}, "amount": {"1"}}
		want = append(want, a.do("POST", refundsPath, fmt.Sprintf("r%d", n), form).text("id"))
	}
	slices.Reverse(want)
	list := func(after string) (ids []string, more bool) {
		form := url.Values{"payment_intent": {id}, "limit": {"2"}}
		if after != "" {
			form.Set("starting_after", after)
		}
		var page struct {
			Data []struct{ ID string }
			More bool `json:"has_more"`
		}
		require.NoError(t, json.Unmarshal(a.do("GET", refundsPath, "", form).body, &page))
		for _, r := range page.Data {
			ids = append(ids, r.ID)
		}
		return ids, page.More
	}
	ids, more := list("")
	require.Empty(t, ids, "the list lags")
	require.False(t, more)
	now = now.Add(time.Minute)
	ids, more = list("")
	require.Equal(t, want[:2], ids)
	require.True(t, more)
	ids, more = list(want[1])
	require.Equal(t, want[2:], ids)
	require.False(t, more)
	other := a.do("GET", refundsPath, "", url.Values{"payment_intent": {"pi_other"}})
	require.Contains(t, string(other.body), `"data":[]`)
}

// Times between the requests of a bank debit.
func TestProcessing_EndsByTheClock(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	f, a := newAPI(t, stripefake.Options{Clock: func() time.Time { return now }, ProcessingFor: time.Minute})
	id := a.do("POST", intents, "1", charge("pm_usBankAccount_insufficientFunds")).text("id")
	require.Equal(t, "processing", f.Status(id))
	now = now.Add(time.Minute)
	r := a.do("GET", intents+"/"+id, "", nil)
	require.Equal(t, "requires_payment_method", r.text("status"))
	require.Equal(t, "insufficient_funds", r.text("last_payment_error.decline_code"))
}

// A hold is captured once, in whole or in part, and cancelled by Stripe once it has expired.
func TestCapture_Limits(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	f, a := newAPI(t, stripefake.Options{Clock: func() time.Time { return now }, HoldFor: time.Hour})
	id := a.do("POST", intents, "1", charge("pm_card_visa", "capture_method", "manual")).text("id")
	capture := func(key string, form url.Values) response { return a.do("POST", intents+"/"+id+"/capture", key, form) }
	for key, form := range map[string]url.Values{
		"too much": {"amount_to_capture": {"1251"}}, "nothing": {"amount_to_capture": {"0"}},
		"unknown": {"attempt": {"2"}}, "no number": {"amount_to_capture": {"all"}},
	} {
		require.Equal(t, 400, capture(key, form).status, key)
		require.Equal(t, "requires_capture", f.Status(id), key)
	}
	require.Equal(t, 404, a.do("POST", intents+"/pi_unknown/capture", "2", nil).status)
	now = now.Add(time.Hour)
	r := capture("late", nil)
	require.Equal(t, "payment_intent_unexpected_state", r.text("error.code"))
	require.Equal(t, "canceled", r.text("error.payment_intent.status"))
	require.Equal(t, "automatic", r.text("error.payment_intent.cancellation_reason"))
	require.False(t, f.Capture(id, 1), "it has expired")
	require.False(t, f.Void(id))
	require.Zero(t, f.Received(id))
}
