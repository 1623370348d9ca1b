package stripegateway_test

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/stripegateway"
	"paymentd/adapters/stripegateway/stripefake"
	"paymentd/core/payment"
)

const cancelPattern = "POST /v1/payment_intents/{id}/cancel"

// A declined intent is cancelled, so that its client secret cannot confirm it later. The id of the intent is
// only inside the error (stripe-ruby#838, active_merchant#5260).
func TestCharge_Declined_CannotBeConfirmedLater(t *testing.T) {
	t.Parallel()
	b := newBench(t, stripefake.Options{})
	c := newCharge(t, declined)
	r := b.charge(t, c, payment.ClassDeclined)
	require.Equal(t, 1, b.fake.Served(cancelPattern))
	require.Equal(t, "canceled", b.status(t, c))
	confirm(t, b, r.Reference, http.StatusBadRequest)
	require.Zero(t, b.fake.Charges(string(c.Key)))
}

// confirm confirms an intent as another program with the secret key does.
func confirm(t *testing.T, b *bench, id string, want int) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, b.server.URL+"/v1/payment_intents/"+id+"/confirm", strings.NewReader("payment_method=pm_card_visa"))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+secretKey)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := b.server.Client().Do(req)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, want, resp.StatusCode)
}

// As long as the cancellation is not known to have succeeded, the charge is not declined but pending, because
// it could still be confirmed. The lookup cancels it and finds the decline.
func TestCharge_DeclinedButNotCancelled_IsPendingUntilTheLookup(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string][]stripefake.Fault{
		"the cancellation is lost":          {{Path: "*/cancel", Drop: true}, {Method: "GET", Drop: true}},
		"the cancellation is refused":       {{Path: "*/cancel", Status: 500, Body: `{"error":{"type":"api_error"}}`}, {Method: "GET", Drop: true}},
		"the cancellation is rate limited":  {{Path: "*/cancel", Status: 429, Body: `{"error":{"type":"invalid_request_error"}}`}},
		"a proxy answers the cancellation":  {{Path: "*/cancel", Status: 200, Unmarked: true, Body: "<html>"}},
		"another intent is in its answer":   {{Path: "*/cancel", Status: 200, Body: with("status", `"canceled"`)}},
		"the cancellation's answer is late": {{Path: "*/cancel", Delay: time.Minute, Drop: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, stripefake.Options{}, func(o *stripegateway.Options) { o.Timeout = 2 * time.Second })
			if strings.Contains(name, "late") {
				faults[0].Delay = 3 * time.Second
			}
			b.fake.Inject(faults...)
			c := newCharge(t, declined)
			r := b.charge(t, c, payment.ClassPending)
			require.True(t, r.Answered)
			require.NotEmpty(t, r.Reference)
			require.Equal(t, "requires_payment_method", b.fake.Status(r.Reference))

			l := b.lookUp(t, ref(c, r), payment.FoundDeclined)
			require.Equal(t, payment.DeclineCard, l.Code)
			require.True(t, strings.HasPrefix(l.Message, "generic_decline"), l.Message)
			require.Equal(t, "canceled", b.fake.Status(r.Reference))
			require.Equal(t, l.Code, b.lookUp(t, ref(c, r), payment.FoundDeclined).Code, "found again")
		})
	}
}

// If the answer to the cancellation is lost, but it succeeded, the decline stands: the intent is read.
func TestCharge_CancellationWithoutAnswer_IsRead(t *testing.T) {
	t.Parallel()
	b := newBench(t, stripefake.Options{})
	b.fake.Inject(stripefake.Fault{Path: "*/cancel", Execute: true, Drop: true})
	b.charge(t, newCharge(t, declined), payment.ClassDeclined)
}

// An intent that was confirmed a second time before it could be cancelled has taken the money.
func TestCharge_DeclinedThenConfirmed_IsApproved(t *testing.T) {
	t.Parallel()
	b := newBench(t, stripefake.Options{})
	b.fake.Inject(stripefake.Fault{Path: "*/cancel", Drop: true}, stripefake.Fault{Method: "GET", Drop: true})
	c := newCharge(t, declined)
	r := b.charge(t, c, payment.ClassPending)
	confirm(t, b, r.Reference, http.StatusOK)

	again := b.charge(t, c, payment.ClassApproved) // the saved decline, and the state of the intent
	require.Equal(t, r.Reference, again.TransactionID)
	require.Equal(t, r.Reference, b.lookUp(t, ref(c, r), payment.FoundApproved).TransactionID)
	require.Equal(t, r.Reference, b.Cancel(t.Context(), ref(c, r)).TransactionID) // medusa#2825
}

// The keys of cancellations are their own: Stripe refuses the key of a charge on another endpoint.
func TestCancel_Key_IsNotThatOfTheCharge(t *testing.T) {
	t.Parallel()
	var cancelled atomic.Int64
	keys := make(chan string, 8)
	g := newStub(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Idempotency-Key", r.Header.Get("Idempotency-Key"))
		w.Header().Set("Request-Id", "req_1")
		if strings.HasSuffix(r.URL.Path, "/cancel") {
			cancelled.Add(1)
			keys <- r.Header.Get("Idempotency-Key")
			_, _ = io.WriteString(w, with("status", `"canceled"`))
			return
		}
		_, _ = io.WriteString(w, with("status", `"requires_action"`))
	})
	at := payment.ChargeRef{Key: "key-1", Reference: "pi_1"}
	for range 2 {
		require.Equal(t, payment.FoundVoided, g.Cancel(t.Context(), at).Result)
	}
	first, second := <-keys, <-keys
	require.NotEqual(t, first, second, "a saved 500 would stay")
	require.NotContains(t, []string{first, second}, "key-1")
}

// An empty or foreign id never becomes a part of a path.
func TestLookUp_BadReference_IsNotSent(t *testing.T) {
	t.Parallel()
	g := newStub(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
	for _, id := range []string{"pi_", "pi_1/cancel", "ch_1", "../refunds", "pi_1?x", strings.Repeat("p", 300)} {
		at := payment.ChargeRef{Key: "key-1", Reference: id}
		require.Equal(t, payment.FoundNoAnswer, g.LookUp(t.Context(), at).Result, id)
		require.Equal(t, payment.FoundNoAnswer, g.Cancel(t.Context(), at).Result, id)
	}
	require.Equal(t, payment.FoundNoAnswer, g.LookUp(t.Context(), payment.ChargeRef{Reference: "pi_1"}).Result)
}

// A customer who fails to authenticate leaves an intent that could be confirmed again with the client secret
// in the return URL.
func TestLookUp_FailedAuthentication_IsCancelledAndDeclined(t *testing.T) {
	t.Parallel()
	b := newBench(t, stripefake.Options{})
	c := newCharge(t, "pm_card_authenticationRequired")
	r := b.charge(t, c, payment.ClassPending)
	b.fake.Authenticate(r.Reference, false)
	l := b.lookUp(t, ref(c, r), payment.FoundDeclined)
	require.Equal(t, payment.DeclineAuthentication, l.Code)
	confirm(t, b, r.Reference, http.StatusBadRequest)
	b.charge(t, c, payment.ClassPending) // the saved answer, which is old
	require.Equal(t, payment.FoundVoided, b.LookUp(t.Context(), ref(c, r)).Result)
}

// The whole way of a customer who authenticates in a browser.
func TestCharge_CustomerAuthenticates_IsApproved(t *testing.T) {
	t.Parallel()
	b := newBench(t, stripefake.Options{})
	c := newCharge(t, "pm_card_threeDSecure2Required")
	r := b.charge(t, c, payment.ClassPending)
	client := b.server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Get(r.RedirectURL + "?outcome=succeeded")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusSeeOther, resp.StatusCode)
	require.Contains(t, resp.Header.Get("Location"), "https://shop.example/back?payment_intent="+r.Reference)
	require.Equal(t, r.Reference, b.lookUp(t, ref(c, r), payment.FoundApproved).TransactionID)
}

// A customer who must act and does not: the charge is cancelled, and a repeat of its key takes nothing
// (woocommerce-gateway-stripe#5703).
func TestCancel_Pending_IsVoided(t *testing.T) {
	t.Parallel()
	for name, known := range map[string]bool{"by reference": true, "by key": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, stripefake.Options{})
			c := newCharge(t, "pm_card_authenticationRequired")
			r := b.charge(t, c, payment.ClassPending)
			at := ref(c, r)
			if !known {
				at.Reference = ""
			}
			for range 2 {
				require.Equal(t, payment.FoundVoided, b.Cancel(t.Context(), at).Result)
				b.lookUp(t, at, payment.FoundVoided)
			}
			b.fake.Authenticate(r.Reference, true)
			b.charge(t, c, payment.ClassPending)
			b.lookUp(t, at, payment.FoundVoided)
			require.Zero(t, b.fake.Charges(string(c.Key)))
		})
	}
}

// A bank debit that is being processed cannot be cancelled, and stays pending until the bank decides.
func TestCancel_Processing_StaysPending(t *testing.T) {
	t.Parallel()
	for method, want := range map[payment.PaymentMethod]payment.LookupResult{
		"pm_usBankAccount_success": payment.FoundApproved, "pm_usBankAccount_insufficientFunds": payment.FoundDeclined,
	} {
		b := newBench(t, stripefake.Options{})
		c := newCharge(t, method)
		r := b.charge(t, c, payment.ClassPending)
		require.Empty(t, r.RedirectURL)
		require.Equal(t, payment.FoundPending, b.Cancel(t.Context(), ref(c, r)).Result)
		b.lookUp(t, ref(c, r), payment.FoundPending)
		b.fake.Settle(r.Reference)
		l := b.lookUp(t, ref(c, r), want)
		if want == payment.FoundDeclined {
			require.Equal(t, payment.DeclineFunds, l.Code)
			require.Equal(t, "canceled", b.fake.Status(r.Reference))
		}
	}
}
