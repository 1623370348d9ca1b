package squaregateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/squaregateway"
	"paymentd/adapters/squaregateway/squarefake"
	"paymentd/core/payment"
)

// A refund whose id is known is read by it, without a lag.
func TestLookUpRefund_KnownID_ReadsTheRefund(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{Lag: time.Hour, PendingRefunds: true})
	c := b.refundOf()
	ref := b.refOf(c)
	ref.Reference = b.refund(c, payment.ClassPending).Reference
	before := len(b.paths())
	require.Equal(t, ref.Reference, b.lookUp(ref, payment.FoundPending).Reference)
	require.Equal(t, []string{"GET /v2/refunds/" + ref.Reference}, b.paths()[before:])
	require.NoError(t, b.fake.DecideRefund(string(refundKey), "COMPLETED"))
	require.Equal(t, ref.Reference, b.lookUp(ref, payment.FoundApproved).TransactionID)
	require.Equal(t, ref.Reference, b.refund(c, payment.ClassApproved).TransactionID)

	other := ref
	other.Key = "another-key"
	b.lookUp(other, payment.FoundNoAnswer) // its reason has another key
	ref.Reference = "unknown"
	b.lookUp(ref, payment.FoundNoAnswer) // an answer has named it, so that it cannot be nothing
	calls := len(b.paths())
	for _, id := range []string{"..", "a b", strings.Repeat("x", 256)} {
		ref.Reference = id
		b.lookUp(ref, payment.FoundNoAnswer)
	}
	require.Len(t, b.paths(), calls, "an id that is none of Square's is not sent")
}

// Before an answer has named it, the refund is found in the list, which lags.
func TestLookUpRefund_List_LagsAndIsFilteredByTheReason(t *testing.T) {
	t.Parallel()
	const lag = 5 * time.Second
	b := newBench(t, squarefake.Options{Lag: lag})
	c := b.refundOf()
	b.fake.Inject(squarefake.Fault{Call: "refund", Close: true})
	b.refund(c, payment.ClassUnknownUnanswered)
	b.lookUp(b.refOf(c), payment.FoundNothing)
	require.GreaterOrEqual(t, b.Capabilities().LookupLag, lag, "so that this nothing does not count")
	b.fake.Advance(lag)
	require.Equal(t, []string{b.lookUp(b.refOf(c), payment.FoundApproved).TransactionID}, b.fake.RefundIDs(string(refundKey)))
	calls := b.fake.Calls()
	last := calls[len(calls)-1]
	require.Equal(t, "/v2/refunds", last.Path)
	require.Contains(t, last.Query, "location_id="+squarefake.DefaultLocation)
	require.Contains(t, last.Query, "begin_time="+strings.ReplaceAll(b.refOf(c).Sent.Add(-10*time.Minute).Format("2006-01-02T15:04"), ":", "%3A"))

	other := b.refOf(c)
	other.Key = "another-key"
	b.lookUp(other, payment.FoundNothing)
	other.Key = ""
	b.lookUp(other, payment.FoundNoAnswer)
}

// A list that lags has a state that the refund has left, so that a refund that is pending is read again.
func TestLookUpRefund_ListedAsPending_IsReadAgain(t *testing.T) {
	t.Parallel()
	const lag = 5 * time.Second
	for status, want := range map[string]payment.LookupResult{
		"COMPLETED": payment.FoundApproved, "FAILED": payment.FoundDeclined, "REJECTED": payment.FoundDeclined,
	} {
		b := newBench(t, squarefake.Options{Lag: lag, PendingRefunds: true})
		c := b.refundOf()
		b.refund(c, payment.ClassPending)
		b.fake.Advance(lag)
		b.lookUp(b.refOf(c), payment.FoundPending)
		require.NoError(t, b.fake.DecideRefund(string(refundKey), status))
		b.lookUp(b.refOf(c), want)
		for _, f := range []squarefake.Fault{
			{Status: 503, Body: "away"},
			{Status: 200, Body: fmt.Sprintf(`{"refund":{"id":%q,"status":"COMPLETED","reason":"paymentd other","payment_id":%q,"amount_money":{"amount":2500,"currency":"USD"}}}`,
				b.fake.RefundIDs(string(refundKey))[0], c.Of.TransactionID)},
		} {
			f.Call = "get_refund"
			b.fake.Inject(f)
			b.lookUp(b.refOf(c), payment.FoundNoAnswer)
		}
	}
}

// A refund that is decided later may fail. As the list could have another one with the key, it is read as well.
func TestLookUpRefund_PendingThenFailed_IsDeclined(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"REJECTED", "FAILED"} {
		b := newBench(t, squarefake.Options{PendingRefunds: true})
		c := b.refundOf()
		ref := b.refOf(c)
		ref.Reference = b.refund(c, payment.ClassPending).Reference
		require.NoError(t, b.fake.DecideRefund(string(refundKey), status))
		l := b.lookUp(ref, payment.FoundDeclined)
		require.Equal(t, payment.DeclineCard, l.Code)
		require.True(t, strings.HasPrefix(l.Message, status), l.Message)
		require.Contains(t, b.paths(), "GET /v2/refunds")
		require.Equal(t, ref.Reference, b.refund(c, payment.ClassDeclined).Reference)

		b.fake.Inject(squarefake.Fault{Call: "list_refunds", Status: 200, Body: `{}`, Header: map[string]string{"Square-Version": squaregateway.DefaultVersion}})
		require.Equal(t, ref.Reference, b.lookUp(ref, payment.FoundDeclined).Reference)
		b.fake.Inject(squarefake.Fault{Call: "list_refunds", Status: 500, Body: "away"})
		b.lookUp(ref, payment.FoundNoAnswer)
	}
}

// Square keeps no earlier states: a refund that is FAILED after it was COMPLETED looks like one that never was. It is
// returned if the service has recorded the success.
func TestLookUpRefund_CompletedThenFailed_IsReturnedIfTheSuccessIsRecorded(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{})
	c := b.refundOf()
	ref := b.refOf(c)
	ref.TransactionID = b.refund(c, payment.ClassApproved).TransactionID
	before := len(b.paths())
	b.lookUp(ref, payment.FoundApproved)
	require.Equal(t, []string{"GET /v2/refunds/" + ref.TransactionID}, b.paths()[before:])
	for _, status := range []string{"REJECTED", "FAILED"} {
		b := newBench(t, squarefake.Options{})
		c := b.refundOf()
		ref := b.refOf(c)
		ref.TransactionID = b.refund(c, payment.ClassApproved).TransactionID
		require.NoError(t, b.fake.DecideRefund(string(refundKey), status))
		require.Equal(t, ref.TransactionID, b.lookUp(ref, payment.FoundReturned).Reference)
		ref.TransactionID = ""
		b.lookUp(ref, payment.FoundDeclined)
	}
}

// Of several refunds with a key, the one that says most of the money counts. One of another amount or payment is for
// an operator.
func TestLookUpRefund_Listed_SeveralOrOthers(t *testing.T) {
	t.Parallel()
	of := func(id, status, amount string) string {
		return fmt.Sprintf(`{"id":%q,"status":%q,"payment_id":"p1","reason":%q,"amount_money":{"amount":%s,"currency":"USD"}}`, id, status, reason, amount)
	}
	for name, tt := range map[string]struct {
		refunds []string
		want    payment.LookupResult
		id      string
	}{
		"none":                  {nil, payment.FoundNothing, ""},
		"made by hand":          {[]string{`{"id":"a","status":"COMPLETED","reason":"` + string(refundKey) + ` order-1"}`}, payment.FoundNothing, ""},
		"without a reason":      {[]string{`{"id":"a","status":"COMPLETED"}`}, payment.FoundNothing, ""},
		"without an order":      {[]string{strings.Replace(of("a", "COMPLETED", "2500"), " order-1", "", 1)}, payment.FoundApproved, ""},
		"failed, then made":     {[]string{of("a", "FAILED", "2500"), of("b", "COMPLETED", "2500")}, payment.FoundApproved, "b"},
		"rejected, then failed": {[]string{of("a", "REJECTED", "2500"), of("b", "FAILED", "2500")}, payment.FoundDeclined, "a"},
		"a newer state":         {[]string{of("a", "PAUSED", "2500")}, payment.FoundNoAnswer, "a"},
		"another amount":        {[]string{of("a", "COMPLETED", "2600")}, payment.FoundNoAnswer, "a"},
		"another payment":       {[]string{strings.Replace(of("a", "COMPLETED", "2500"), "p1", "p2", 1)}, payment.FoundNoAnswer, "a"},
		"unreadable":            {[]string{`{"status":"COMPLETED"}`}, payment.FoundNoAnswer, ""},
		"no object":             {[]string{`7`}, payment.FoundNoAnswer, ""},
		"too many":              {[]string{of("a", "PENDING", "2500"), of("a", "PENDING", "2500"), of("a", "PENDING", "2500"), of("a", "PENDING", "2500")}, payment.FoundNoAnswer, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Square-Version", squaregateway.DefaultVersion)
				body := `{"refunds":[` + strings.Join(tt.refunds, ",") + `]}`
				if r.URL.Path != "/v2/refunds" {
					body = `{"refund":` + tt.refunds[0] + `}`
				}
				_, _ = w.Write([]byte(body))
			}), time.Now)
			l := g.LookUp(t.Context(), payment.ChargeRef{
				Key: refundKey, Operation: payment.OperationID{Kind: payment.KindRefund, Name: "r-1"},
				Of: payment.ChargeID{Key: key, TransactionID: "p1"}, Money: money(t, "25", "USD"), Sent: time.Now(),
			})
			require.Equal(t, tt.want, l.Result, l.Message)
			if tt.id != "" {
				require.Equal(t, tt.id, l.TransactionID+l.Reference)
			}
		})
	}
}

// "Nothing" needs Square's mark, a list that is read completely, and a clock that is right.
func TestLookUpRefund_Nothing_NeedsProof(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{})
	c := b.refundOf()
	b.lookUp(b.refOf(c), payment.FoundNothing)
	for name, f := range map[string]squarefake.Fault{
		"no answer":      {Times: 2, Skip: true, Close: true},
		"an error":       {Status: 500, Errors: []squarefake.Error{{Category: "API_ERROR", Code: "INTERNAL_SERVER_ERROR"}}},
		"a page":         {Status: 200, Body: "<html>It works</html>"},
		"no mark":        {Drop: []string{"Square-Version"}},
		"a cache":        {Header: map[string]string{"Age": "30"}},
		"another object": {Status: 200, Body: `{"payments":[]}`},
		"another clock":  {Header: map[string]string{"Date": time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)}},
		"a long cursor":  {Status: 200, Body: `{"cursor":"` + strings.Repeat("c", 5000) + `"}`},
	} {
		f.Call = "list_refunds"
		b.fake.Inject(f)
		require.Equal(t, payment.FoundNoAnswer, b.LookUp(t.Context(), b.refOf(c)).Result, name)
	}
}

// Every page is read. A payment has at most 20 refunds.
func TestLookUpRefund_List_ReadsEveryPage(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{})
	c := b.refundOf()
	for i := range 6 {
		one := charge(t, cardOK)
		one.Key = payment.GatewayKey(fmt.Sprintf("paid-%d", i))
		other := c
		other.Of = payment.ChargeID{Key: one.Key, TransactionID: b.Charge(t.Context(), one).TransactionID}
		other.Money = money(t, "1", "USD")
		for j := range 20 {
			other.Key = payment.GatewayKey(fmt.Sprintf("refund-%d-%d", i, j))
			b.refund(other, payment.ClassApproved)
		}
	}
	b.lookUp(b.refOf(c), payment.FoundNothing)
	b.refund(c, payment.ClassApproved)
	before := len(b.paths())
	b.lookUp(b.refOf(c), payment.FoundApproved)
	require.Len(t, b.paths()[before:], 2)
	b.fake.Inject(squarefake.Fault{Call: "list_refunds"})
	b.fake.Inject(squarefake.Fault{Call: "list_refunds", Skip: true, Status: 500, Body: "away"})
	b.lookUp(b.refOf(c), payment.FoundNoAnswer)
}

// Square cannot cancel a refund: it is looked up.
func TestCancel_Refund_IsALookup(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{PendingRefunds: true})
	c := b.refundOf()
	ref := b.refOf(c)
	b.cancel(ref, payment.FoundNothing)
	ref.Reference = b.refund(c, payment.ClassPending).Reference
	b.cancel(ref, payment.FoundPending)
	for _, path := range b.paths() {
		require.NotContains(t, path, "cancel")
	}
}

// A refund changes neither what a lookup finds of its charge nor what the audit lists of it.
func TestLookUp_RefundedCharge_IsStillFound(t *testing.T) {
	t.Parallel()
	for _, reduce := range []bool{false, true} {
		b := newBench(t, squarefake.Options{RefundsReduceAmount: reduce})
		c := b.refundOf()
		b.refund(c, payment.ClassApproved)
		require.Equal(t, c.Of.TransactionID, b.lookUp(b.ref(), payment.FoundApproved).TransactionID)
		require.Equal(t, c.Of.TransactionID, b.charge(cardOK, payment.ClassApproved).TransactionID)
		page, err := b.Charges(t.Context(), payment.LedgerQuery{From: b.fake.Now().Add(-time.Hour), To: b.fake.Now().Add(time.Hour)})
		require.NoError(t, err)
		require.Len(t, page.Charges, 1)
		require.Equal(t, money(t, "100", "USD"), page.Charges[0].Money)
	}
}
