package stripegateway_test

import (
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v85"

	"paymentd/adapters/stripegateway"
	"paymentd/adapters/stripegateway/stripefake"
	"paymentd/core/payment"
)

// Once an answer has named the intent, the lookup reads it by its id, with one request.
func TestLookUp_KnownReference_IsReadById(t *testing.T) {
	t.Parallel()
	b := newBench(t, stripefake.Options{ListLag: time.Hour, SearchLag: time.Hour})
	c := newCharge(t, "pm_usBankAccount")
	r := b.charge(t, c, payment.ClassPending)
	b.lookUp(t, ref(c, r), payment.FoundPending)
	require.Zero(t, b.fake.Served("GET /v1/payment_intents"))
	require.Equal(t, 1, b.fake.Served("GET /v1/payment_intents/{id}"))
}

// The intent of a reference that does not exist, or is of another charge, is no proof of anything.
func TestLookUp_OtherReference_IsNoAnswer(t *testing.T) {
	t.Parallel()
	b := newBench(t, stripefake.Options{})
	c, other := newCharge(t, visa), newCharge(t, visa)
	b.charge(t, c, payment.ClassApproved)
	id := b.charge(t, other, payment.ClassApproved).TransactionID
	l := b.lookUp(t, payment.ChargeRef{Key: c.Key, Reference: id}, payment.FoundNoAnswer)
	require.Contains(t, l.Message, "another gateway key")
	b.lookUp(t, payment.ChargeRef{Key: c.Key, Reference: "pi_unknown"}, payment.FoundNoAnswer)
	wrong := payment.ChargeRef{Key: c.Key, Money: money(t, "99", "USD")}
	require.Contains(t, b.lookUp(t, wrong, payment.FoundNoAnswer).Message, "its amount is 1250 usd")
}

// The list begins before the first sending, by a margin for clocks that differ.
func TestLookUp_List_BeginsBeforeTheFirstSending(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	b := newBench(t, stripefake.Options{Clock: func() time.Time { return now }})
	c := newCharge(t, visa)
	b.charge(t, c, payment.ClassApproved)
	b.lookUp(t, payment.ChargeRef{Key: c.Key, Sent: now.Add(5 * time.Minute)}, payment.FoundApproved)
	b.lookUp(t, payment.ChargeRef{Key: c.Key, Sent: now.Add(-time.Hour)}, payment.FoundApproved)
	b.lookUp(t, payment.ChargeRef{Key: c.Key, Sent: now.Add(6 * time.Minute)}, payment.FoundNothing)
}

// crowd makes n charges of other orders.
func crowd(t *testing.T, b *bench, n int) {
	t.Helper()
	for i := range n {
		c := newCharge(t, visa)
		c.OrderID = payment.OrderID("other-" + strconv.Itoa(i))
		b.fake.Add(string(c.Key), string(c.OrderID), 1250, "usd")
	}
}

// All pages are read. If there are too many, a list without the charge proves nothing, and the search, which
// lags, decides.
func TestLookUp_ManyIntents(t *testing.T) {
	t.Parallel()
	const pages = 10 // of 100, which a lookup reads
	for name, tt := range map[string]struct {
		others  int // newer than the charge
		charged bool
		fake    stripefake.Options
		lag     time.Duration
		want    payment.LookupResult
		search  int // how often
	}{
		"last page":                    {others: pages*100 - 1, charged: true, want: payment.FoundApproved},
		"last page, nothing":           {others: pages * 100, want: payment.FoundNothing},
		"beyond the last page":         {others: pages * 100, charged: true, want: payment.FoundApproved, search: 1},
		"beyond the last page, lag":    {others: pages * 100, charged: true, fake: stripefake.Options{SearchLag: time.Hour}, want: payment.FoundNothing, search: 1},
		"beyond, a short lag declared": {others: pages*100 + 1, lag: time.Minute, want: payment.FoundNoAnswer, search: 1},
		"beyond, found, a short lag":   {others: pages * 100, charged: true, lag: time.Minute, want: payment.FoundApproved, search: 1},
		"beyond, no search":            {others: pages*100 + 1, charged: true, fake: stripefake.Options{NoSearch: true}, want: payment.FoundNoAnswer, search: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, tt.fake, func(o *stripegateway.Options) { o.LookupLag, o.Timeout = tt.lag, time.Minute })
			c := newCharge(t, visa)
			if tt.charged {
				b.charge(t, c, payment.ClassApproved)
			}
			crowd(t, b, tt.others)
			b.lookUp(t, payment.ChargeRef{Key: c.Key, Sent: time.Now().Add(-time.Minute)}, tt.want)
			require.Equal(t, tt.search, b.fake.Served("GET /v1/payment_intents/search"))
			require.LessOrEqual(t, b.fake.Served("GET /v1/payment_intents"), pages)
		})
	}
}

// A page that is lost makes the list useless.
func TestLookUp_LostPage_IsNoAnswer(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]stripefake.Fault{
		"lost":       {Method: "GET", Drop: true, Times: 2}, // net/http repeats a GET on a connection that was kept
		"rate limit": stripefake.RateLimit,
		"proxy":      {Method: "GET", Status: 200, Unmarked: true, Body: `{"object":"list","has_more":false,"data":[]}`},
	} {
		b := newBench(t, stripefake.Options{})
		crowd(t, b, 150)
		c := newCharge(t, visa)
		b.fake.Inject(stripefake.Fault{Method: "GET"}, fault) // the second page
		b.lookUp(t, payment.ChargeRef{Key: c.Key}, payment.FoundNoAnswer)
		b.lookUp(t, payment.ChargeRef{Key: c.Key}, payment.FoundNothing)
		require.NotEmpty(t, name)
	}
}

// A miss within the lag is no proof: a list that lags finds nothing, and the declared lag covers it.
func TestLookUp_WithinTheLag_FindsNothing(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	now := start
	b := newBench(t, stripefake.Options{Clock: func() time.Time { return now }, ListLag: time.Hour, SearchLag: time.Hour})
	c := newCharge(t, visa)
	b.charge(t, c, payment.ClassApproved)
	b.lookUp(t, payment.ChargeRef{Key: c.Key}, payment.FoundNothing)
	now = start.Add(b.Capabilities().LookupLag)
	b.lookUp(t, payment.ChargeRef{Key: c.Key}, payment.FoundApproved)
}

// The list has the intent of a request that is still being executed: it is left alone, until no request can
// be confirming it any more.
func TestLookUp_Unconfirmed_IsLeftAloneAtFirst(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	b := newBench(t, stripefake.Options{Clock: func() time.Time { return now }})
	c := newCharge(t, visa)
	id := b.fake.AddUnconfirmed(string(c.Key), string(c.OrderID), 1250, "usd")
	b.lookUp(t, payment.ChargeRef{Key: c.Key}, payment.FoundProcessing)
	require.Equal(t, "requires_confirmation", b.fake.Status(id))
	now = now.Add(time.Hour)
	b.lookUp(t, payment.ChargeRef{Key: c.Key}, payment.FoundVoided)
	require.Equal(t, "canceled", b.fake.Status(id))
}

// The list of an audit has every intent once, with our metadata, in pages of 100.
func TestCharges_Ledger(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	b := newBench(t, stripefake.Options{Clock: func() time.Time { return now }})
	before := newCharge(t, visa)
	b.charge(t, before, payment.ClassApproved)
	now = now.Add(time.Second)
	from := now
	want := map[payment.GatewayKey]payment.LookupResult{}
	charges := map[payment.GatewayKey]payment.Charge{}
	for method, state := range map[payment.PaymentMethod]payment.LookupResult{
		visa: payment.FoundApproved, declined: payment.FoundDeclined, "pm_usBankAccount": payment.FoundPending,
		"pm_card_authenticationRequired": payment.FoundPending,
	} {
		c := newCharge(t, method)
		b.Charge(t.Context(), c)
		want[c.Key], charges[c.Key] = state, c
	}
	b.fake.Add("", "", 550, "isk") // cannot be written in ISO 4217
	crowd(t, b, 200)
	now = now.Add(time.Second)
	b.charge(t, newCharge(t, visa), payment.ClassApproved)

	seen, unreadable, pages := map[payment.GatewayKey]int{}, 0, 0
	for cursor := ""; ; {
		page, err := b.Charges(t.Context(), payment.LedgerQuery{From: from, To: now, Cursor: cursor})
		require.NoError(t, err)
		pages++
		unreadable += len(page.Unreadable)
		for _, c := range page.Charges {
			seen[c.Key]++
			require.Equal(t, from, c.Created)
			if state, ours := want[c.Key]; ours {
				require.Equal(t, state, c.State)
				require.Equal(t, charges[c.Key].OrderID, c.OrderID)
				require.Equal(t, charges[c.Key].Money, c.Money)
				require.Equal(t, state == payment.FoundApproved, c.TransactionID != "")
				require.Equal(t, state == payment.FoundApproved, c.Reference == "")
			}
		}
		if cursor = page.Next; cursor == "" {
			break
		}
		require.LessOrEqual(t, len(cursor), payment.MaxLedgerCursorBytes)
	}
	require.Equal(t, 3, pages)
	require.Equal(t, 1, unreadable)
	require.Len(t, seen, 204)
	require.NotContains(t, seen, before.Key)
	for key, n := range seen {
		require.Equal(t, 1, n, key)
	}
	_, err := b.Charges(t.Context(), payment.LedgerQuery{From: from, To: now, Cursor: "../x"})
	require.Error(t, err)
}

// The list has what a PaymentIntent took, and what was refunded of it, also outside of the service. What was refunded after
// a part was captured is not known, because Stripe releases the rest by a refund.
func TestCharges_Ledger_HasSums(t *testing.T) {
	t.Parallel()
	b := newBench(t, stripefake.Options{})
	c, of := b.charged(t, visa)
	b.charge(t, newRefund(t, c, of, "2.50"), payment.ClassApproved)
	b.fake.AddRefund(of.TransactionID, "", 100)
	whole, ofWhole := b.held(t, visa)
	b.charge(t, endOf(t, whole, ofWhole, payment.KindCapture, "12.50"), payment.ClassApproved)
	part, ofPart := b.held(t, visa)
	b.charge(t, endOf(t, part, ofPart, payment.KindCapture, "2.50"), payment.ClassApproved)
	held, _ := b.held(t, visa)
	none := newCharge(t, declined)
	b.charge(t, none, payment.ClassDeclined)

	page, err := b.Charges(t.Context(), payment.LedgerQuery{From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	require.Empty(t, page.Unreadable)
	sums := map[payment.GatewayKey][2]payment.LedgerSum{}
	for _, c := range page.Charges {
		sums[c.Key] = [2]payment.LedgerSum{c.Captured, c.Refunded}
	}
	require.Equal(t, map[payment.GatewayKey][2]payment.LedgerSum{
		c.Key:     {payment.ListedSum(1250), payment.ListedSum(350)},
		whole.Key: {payment.ListedSum(1250), payment.ListedSum(0)},
		part.Key:  {payment.ListedSum(250), {}},
		held.Key:  {},
		none.Key:  {},
	}, sums)
}

// A charge that is not expanded does not say what was refunded.
func TestCharges_Ledger_WithoutCharge_HasNoRefunds(t *testing.T) {
	t.Parallel()
	g := newStub(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Request-Id", "req_1")
		w.Header().Set("Stripe-Version", stripe.APIVersion)
		_, _ = io.WriteString(w, `{"object":"list","has_more":false,"data":[{"id":"pi_1","object":"payment_intent","status":"succeeded",`+
			`"amount":1250,"amount_received":1250,"currency":"usd","created":1767225600,"metadata":{},"latest_charge":"ch_1"}]}`)
	})
	page, err := g.Charges(t.Context(), payment.LedgerQuery{From: time.Unix(1767225600, 0), To: time.Unix(1767225601, 0)})
	require.NoError(t, err)
	require.Len(t, page.Charges, 1)
	require.Equal(t, payment.ListedSum(1250), page.Charges[0].Captured)
	require.Equal(t, payment.LedgerSum{}, page.Charges[0].Refunded)
}
