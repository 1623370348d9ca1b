package stripegateway_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/stripegateway"
	"paymentd/adapters/stripegateway/stripefake"
	"paymentd/core/payment"
)

// Each status that a lookup finds. A failure is a return only if the success is recorded, because a refund that failed
// does not say whether it had succeeded before.
func TestLookUp_RefundStatuses(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]struct {
		found, after payment.LookupResult // after a recorded success
		code         string
	}{
		"succeeded":       {payment.FoundApproved, payment.FoundApproved, ""},
		"pending":         {payment.FoundPending, payment.FoundPending, ""},
		"requires_action": {payment.FoundPending, payment.FoundPending, ""},
		"failed":          {payment.FoundDeclined, payment.FoundReturned, payment.DeclineExpired},
		"canceled":        {payment.FoundDeclined, payment.FoundReturned, payment.DeclineAbandoned},
		"patient":         {payment.FoundNoAnswer, payment.FoundNoAnswer, ""},
	} {
		g, c := newRefundStub(t, http.StatusOK, nil,
			withRefund("status", `"`+status+`"`, "failure_reason", `"expired_or_canceled_card"`))
		l := g.LookUp(t.Context(), refundRef(c, payment.Result{Reference: "re_1"}))
		require.Equal(t, want.found, l.Result, status)
		require.Equal(t, want.code, l.Code, status)
		require.Equal(t, l, l.Sanitized())
		l = g.LookUp(t.Context(), refundRef(c, payment.Result{TransactionID: "re_1"}))
		require.Equal(t, want.after, l.Result, status)
		require.Equal(t, want.after == payment.FoundApproved, l.TransactionID == "re_1")
	}
}

// A refund fails after it had succeeded (docs.stripe.com/refunds#failed-refunds): the money came back, and its amount can
// be refunded again.
func TestLookUp_RefundFailsAfterSuccess_IsReturned(t *testing.T) {
	t.Parallel()
	b := newBench(t, stripefake.Options{})
	charge, of := b.charged(t, "pm_card_refundFail")
	c := newRefund(t, charge, of, "12.50")
	r := b.charge(t, c, payment.ClassApproved)
	b.lookUp(t, refundRef(c, r), payment.FoundApproved)
	require.True(t, b.fake.SetRefund(r.TransactionID, "failed"))
	l := b.lookUp(t, refundRef(c, r), payment.FoundReturned)
	require.Contains(t, l.Message, "is failed: expired_or_canceled_card")
	b.charge(t, newRefund(t, charge, of, "12.50"), payment.ClassApproved)
}

// A pending refund is decided by the bank, or by a person who cancels it.
func TestLookUp_PendingRefund(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]payment.LookupResult{
		"succeeded": payment.FoundApproved, "failed": payment.FoundDeclined, "canceled": payment.FoundDeclined,
		"requires_action": payment.FoundPending,
	} {
		b := newBench(t, stripefake.Options{})
		charge, of := b.charged(t, pendingRefund)
		c := newRefund(t, charge, of, "2.50")
		r := b.charge(t, c, payment.ClassPending)
		require.Empty(t, r.RedirectURL)
		require.Contains(t, r.Message, "is pending: processing")
		require.True(t, b.fake.SetRefund(r.Reference, status))
		l := b.lookUp(t, refundRef(c, r), want)
		require.Equal(t, want == payment.FoundApproved, l.TransactionID == r.Reference)
		require.Equal(t, want == payment.FoundDeclined, l.Code != "")
		require.Equal(t, want != payment.FoundDeclined, b.fake.Refunded(of.TransactionID) == 250)
	}
}

// A known id is read with one request. A refund that does not exist, or is another one, proves nothing.
func TestLookUp_RefundById(t *testing.T) {
	t.Parallel()
	b := newBench(t, stripefake.Options{ListLag: time.Hour})
	charge, of := b.charged(t, visa)
	c, other := newRefund(t, charge, of, "2.50"), newRefund(t, charge, of, "2.50")
	r, second := b.charge(t, c, payment.ClassApproved), b.charge(t, other, payment.ClassApproved)
	b.lookUp(t, refundRef(c, r), payment.FoundApproved)
	require.Zero(t, b.fake.Served("GET /v1/refunds"))
	require.Equal(t, 1, b.fake.Served("GET /v1/refunds/{id}"))
	for id, why := range map[string]string{
		second.TransactionID: "another gateway key", "re_unknown": "No such refund", "pi_1": "no Refund", "re_1/x": "no Refund",
	} {
		require.Contains(t, b.lookUp(t, refundRef(c, payment.Result{Reference: id}), payment.FoundNoAnswer).Message, why)
	}
	wrong := refundRef(c, r)
	wrong.Money = money(t, "2.51", "USD")
	require.Contains(t, b.lookUp(t, wrong, payment.FoundNoAnswer).Message, "its amount is 250 usd")
	wrong = refundRef(c, r)
	wrong.Of.TransactionID = "pi_other"
	require.Contains(t, b.lookUp(t, wrong, payment.FoundNoAnswer).Message, "another PaymentIntent")
	wrong = refundRef(c, payment.Result{})
	wrong.Of.TransactionID = ""
	require.Contains(t, b.lookUp(t, wrong, payment.FoundNoAnswer).Message, "refund it at Stripe")
	wrong.Key = ""
	b.lookUp(t, wrong, payment.FoundNoAnswer)
	wrong = refundRef(c, r)
	wrong.Operation.Kind = "weekly"
	b.lookUp(t, wrong, payment.FoundNoAnswer)
	require.Equal(t, payment.FoundNoAnswer, b.Cancel(t.Context(), wrong).Result)
}

// Without an id, the refunds of the charge are listed and filtered by our metadata. A miss within the lag is no proof,
// and the declared lag covers it.
func TestLookUp_RefundByKey(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	now := start
	b := newBench(t, stripefake.Options{Clock: func() time.Time { return now }, ListLag: time.Hour})
	charge, of := b.charged(t, visa)
	c, other := newRefund(t, charge, of, "2.50"), newRefund(t, charge, of, "2.50")
	r := b.charge(t, c, payment.ClassApproved)
	b.lookUp(t, refundRef(c, payment.Result{}), payment.FoundNothing)
	now = start.Add(b.Capabilities().LookupLag)
	require.Equal(t, r.TransactionID, b.lookUp(t, refundRef(c, payment.Result{}), payment.FoundApproved).TransactionID)
	b.lookUp(t, refundRef(other, payment.Result{}), payment.FoundNothing)
	asCharge := payment.ChargeRef{Key: c.Key, Sent: start}
	b.lookUp(t, asCharge, payment.FoundNothing)
}

// All pages are read, and a list that is too long proves nothing.
func TestLookUp_ManyRefunds(t *testing.T) {
	t.Parallel()
	const most = 1000 // of 10 pages of 100
	for name, tt := range map[string]struct {
		refunds int // newer ones
		made    bool
		lost    bool // the second page
		want    payment.LookupResult
	}{
		"last page":            {refunds: most - 1, made: true, want: payment.FoundApproved},
		"last page, nothing":   {refunds: most, want: payment.FoundNothing},
		"beyond the last page": {refunds: most, made: true, want: payment.FoundNoAnswer},
		"a page is lost":       {refunds: 150, made: true, lost: true, want: payment.FoundNoAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, stripefake.Options{}, func(o *stripegateway.Options) { o.Timeout = time.Minute })
			charge, of := b.charged(t, visa)
			c := newRefund(t, charge, of, "2.50")
			if tt.made {
				b.charge(t, c, payment.ClassApproved)
			}
			for n := range tt.refunds {
				b.fake.AddRefund(of.TransactionID, fmt.Sprintf("other-%d", n), 1)
			}
			if tt.lost {
				b.fake.Inject(stripefake.Fault{Method: "GET"}, stripefake.RateLimit)
			}
			b.lookUp(t, refundRef(c, payment.Result{}), tt.want)
			require.LessOrEqual(t, b.fake.Served("GET /v1/refunds"), 10)
		})
	}
}

// If Stripe had forgotten the key, there are two refunds with it: the one with money counts.
func TestLookUp_TwoRefundsOfAKey_TheOneWithMoneyCounts(t *testing.T) {
	t.Parallel()
	b := newBench(t, stripefake.Options{})
	charge, of := b.charged(t, visa)
	c := newRefund(t, charge, of, "2.50")
	r := b.charge(t, c, payment.ClassApproved)
	failed := b.fake.AddRefund(of.TransactionID, string(c.Key), 250)
	require.True(t, b.fake.SetRefund(failed, "failed"))
	require.Equal(t, r.TransactionID, b.lookUp(t, refundRef(c, payment.Result{}), payment.FoundApproved).TransactionID)
}

// An answer to a GET without the marks of Stripe proves nothing.
func TestLookUp_RefundUnmarked_ProvesNothing(t *testing.T) {
	t.Parallel()
	list := `{"object":"list","url":"/v1/refunds","has_more":false,"data":[]}`
	for name, tt := range map[string]struct {
		status int
		header map[string]string
		body   string
		want   payment.LookupResult
	}{
		"an empty list":  {200, nil, list, payment.FoundNothing},
		"no Request-Id":  {200, map[string]string{"Request-Id": ""}, list, payment.FoundNoAnswer},
		"from a cache":   {200, map[string]string{"Age": "3"}, list, payment.FoundNoAnswer},
		"no has_more":    {200, nil, `{"object":"list","data":[]}`, payment.FoundNoAnswer},
		"a bad cursor":   {200, nil, `{"object":"list","has_more":true,"data":[{"id":"pi_1"}]}`, payment.FoundNoAnswer},
		"404 of a proxy": {404, nil, `{"message":"not found"}`, payment.FoundNoAnswer},
		"404 of Stripe":  {404, nil, refundError("resource_missing", "payment_intent"), payment.FoundNoAnswer},
		"403":            {403, nil, refundError("", ""), payment.FoundNoAnswer},
	} {
		g := newStub(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Request-Id", "req_1")
			for name, value := range tt.header {
				w.Header().Set(name, value)
			}
			w.WriteHeader(tt.status)
			_, _ = io.WriteString(w, tt.body)
		})
		c := newRefund(t, stubCharge(t), payment.ChargeID{TransactionID: "pi_1"}, "2.50")
		require.Equal(t, tt.want, g.LookUp(t.Context(), refundRef(c, payment.Result{})).Result, name)
	}
}
