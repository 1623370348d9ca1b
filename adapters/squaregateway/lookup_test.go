package squaregateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/squaregateway"
	"paymentd/adapters/squaregateway/squarefake"
	"paymentd/core/payment"
)

// A payment whose id is known is read by it, without a lag.
func TestLookUp_KnownID_ReadsThePayment(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{Lag: time.Hour})
	r := b.charge(cardOK, payment.ClassApproved)
	ref := b.ref()
	ref.Reference = r.TransactionID
	require.Equal(t, r.TransactionID, b.lookUp(ref, payment.FoundApproved).TransactionID)
	require.Equal(t, "GET /v2/payments/"+r.TransactionID, b.paths()[2])
	require.Len(t, b.paths(), 3)

	other := ref
	other.Key = "another-key"
	b.lookUp(other, payment.FoundNoAnswer) // its reference_id is not this key
	ref.Reference = "unknown"
	b.lookUp(ref, payment.FoundNoAnswer) // an answer has named it, so that it cannot be nothing
	calls := len(b.paths())
	for _, id := range []string{"..", "a b", strings.Repeat("x", 193)} {
		ref.Reference = id
		b.lookUp(ref, payment.FoundNoAnswer)
	}
	require.Len(t, b.paths(), calls, "an id that is none of Square's is not sent")
}

// The list is that of the location, from before the first sending.
func TestLookUp_List_AsksForTheLocationAndTheTime(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{})
	b.charge(cardOK, payment.ClassApproved)
	ref := b.ref()
	b.lookUp(ref, payment.FoundApproved)
	calls := b.fake.Calls()
	query := calls[len(calls)-1].Query
	require.Contains(t, query, "location_id="+squarefake.DefaultLocation)
	require.Contains(t, query, "begin_time="+strings.ReplaceAll(ref.Sent.Add(-10*time.Minute).Format("2006-01-02T15:04:05"), ":", "%3A"))
	require.Contains(t, query, "limit=100")

	ref.Sent = time.Time{} // not known
	b.lookUp(ref, payment.FoundApproved)
	ref.Sent = b.fake.Now().Add(-48 * time.Hour) // no attempt is made so much later
	b.lookUp(ref, payment.FoundNothing)
	calls = b.fake.Calls()
	require.Contains(t, calls[len(calls)-1].Query, "end_time=")
}

func TestLookUp_List_Lags(t *testing.T) {
	t.Parallel()
	const lag = 5 * time.Second
	b := newBench(t, squarefake.Options{Lag: lag})
	b.charge(cardOK, payment.ClassApproved)
	b.lookUp(b.ref(), payment.FoundNothing)
	require.GreaterOrEqual(t, b.Capabilities().LookupLag, lag, "so that this nothing does not count")
	b.fake.Advance(lag)
	b.lookUp(b.ref(), payment.FoundApproved)
}

// A list that lags has a state that the payment has left, so that a payment that is held is read again.
func TestLookUp_ListedAsHeld_IsReadAgain(t *testing.T) {
	t.Parallel()
	const lag = 5 * time.Second
	b := newBench(t, squarefake.Options{Lag: lag})
	b.fake.Inject(squarefake.Fault{Call: "create", Close: true})
	b.charge(cardOK, payment.ClassUnknownUnanswered)
	b.fake.Advance(lag)
	b.charge(cardOK, payment.ClassApproved)
	b.lookUp(b.ref(), payment.FoundApproved)

	b.fake.Inject(squarefake.Fault{Call: "get", Status: 503, Body: "away"})
	b.lookUp(b.ref(), payment.FoundNoAnswer)
}

// makePayments makes payments of another program.
func makePayments(t *testing.T, b bench, n int) {
	t.Helper()
	for i := range n {
		c := charge(t, cardOK)
		c.Key = payment.GatewayKey(fmt.Sprintf("other-%d", i))
		b.fake.Inject(squarefake.Fault{Call: "complete", Skip: true, Status: 500, Errors: []squarefake.Error{{Category: "API_ERROR", Code: "X"}}})
		require.Equal(t, payment.ClassUnknownAnswered, b.Charge(t.Context(), c).Class)
	}
}

func TestLookUp_List_ReadsEveryPage(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{})
	makePayments(t, b, 205)
	b.lookUp(b.ref(), payment.FoundNothing)
	b.charge(cardOK, payment.ClassApproved)
	b.lookUp(b.ref(), payment.FoundApproved)

	// A page that is missing may have the payment.
	before := len(b.fake.Calls())
	b.fake.Inject(squarefake.Fault{Call: "list", Times: 2})
	b.fake.Inject(squarefake.Fault{Call: "list", Status: 500, Errors: []squarefake.Error{{Category: "API_ERROR", Code: "INTERNAL_SERVER_ERROR"}}})
	b.lookUp(b.ref(), payment.FoundNoAnswer)
	require.Len(t, b.fake.Calls(), before+3)
}

// A lookup reads a bounded number of pages, and finds nothing only if these are all.
func TestLookUp_PagesWithoutEnd_GiveNoAnswer(t *testing.T) {
	t.Parallel()
	var pages atomic.Int64
	g := newGateway(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		pages.Add(1)
		w.Header().Set("Square-Version", squaregateway.DefaultVersion)
		_, _ = w.Write([]byte(`{"payments":[],"cursor":"more"}`))
	}), time.Now)
	l := g.LookUp(t.Context(), payment.ChargeRef{Key: key, Sent: time.Now()})
	require.Equal(t, payment.FoundNoAnswer, l.Result)
	require.Contains(t, l.Message, "10000 payments")
	require.EqualValues(t, 100, pages.Load())
}

// "Nothing" needs Square's mark, a list that is read completely, and a clock that is right.
func TestLookUp_Nothing_NeedsProof(t *testing.T) {
	t.Parallel()
	const version = squaregateway.DefaultVersion
	now := time.Now().UTC().Format(http.TimeFormat)
	for name, tt := range map[string]struct {
		version, age, date string
		status             int
		body               string
		want               payment.LookupResult
	}{
		"empty":                   {version, "", now, 200, `{}`, payment.FoundNothing},
		"an empty list":           {version, "0", now, 200, `{"payments":[]}`, payment.FoundNothing},
		"an empty cursor":         {version, "0", now, 200, `{"payments":[],"cursor":"","errors":[]}`, payment.FoundNothing},
		"another's payment":       {version, "", now, 200, `{"payments":[{"id":"x","status":"COMPLETED"}]}`, payment.FoundNothing},
		"without the mark":        {"", "", now, 200, `{}`, payment.FoundNoAnswer},
		"another mark":            {"v2", "", now, 200, `{}`, payment.FoundNoAnswer},
		"from a cache":            {version, "1", now, 200, `{}`, payment.FoundNoAnswer},
		"from some cache":         {version, "soon", now, 200, `{}`, payment.FoundNoAnswer},
		"201":                     {version, "", now, 201, `{}`, payment.FoundNoAnswer},
		"404":                     {version, "", now, 404, `{"errors":[{"category":"INVALID_REQUEST_ERROR","code":"NOT_FOUND"}]}`, payment.FoundNoAnswer},
		"errors beside it":        {version, "", now, 200, `{"payments":[],"errors":[{"category":"API_ERROR","code":"X"}]}`, payment.FoundNoAnswer},
		"not a list":              {version, "", now, 200, `{"payments":{}}`, payment.FoundNoAnswer},
		"not the cursor":          {version, "", now, 200, `{"payments":[],"cursor":7}`, payment.FoundNoAnswer},
		"something else":          {version, "", now, 200, `{"message":"no"}`, payment.FoundNoAnswer},
		"a payment without id":    {version, "", now, 200, `{"payments":[{"status":"COMPLETED"}]}`, payment.FoundNoAnswer},
		"a payment without state": {version, "", now, 200, `{"payments":[{"id":"x"}]}`, payment.FoundNoAnswer},
		"not a payment":           {version, "", now, 200, `{"payments":["x"]}`, payment.FoundNoAnswer},
		"a clock that is behind":  {version, "", time.Now().Add(-6 * time.Minute).UTC().Format(http.TimeFormat), 200, `{}`, payment.FoundNoAnswer},
		"a clock that is ahead":   {version, "", time.Now().Add(6 * time.Minute).UTC().Format(http.TimeFormat), 200, `{}`, payment.FoundNoAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for name, value := range map[string]string{"Square-Version": tt.version, "Age": tt.age, "Date": tt.date} {
					if value != "" {
						w.Header().Set(name, value)
					}
				}
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(tt.body))
			}), time.Now)
			l := g.LookUp(t.Context(), payment.ChargeRef{Key: key, Sent: time.Now()})
			require.Equal(t, tt.want, l.Result, l.Message)
		})
	}
}

// A payment of another amount is not this charge, and is not nothing either.
func TestLookUp_OtherAmount_GivesNoAnswer(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{})
	r := b.charge(cardOK, payment.ClassApproved)
	ref := b.ref()
	ref.Money = money(t, "1", "USD")
	require.Contains(t, b.lookUp(ref, payment.FoundNoAnswer).Message, "10000")
	ref.Reference = r.TransactionID
	b.lookUp(ref, payment.FoundNoAnswer)
	ref.Money = payment.Money{} // not known
	b.lookUp(ref, payment.FoundApproved)
}

// If several payments have the key, one that takes money counts.
func TestLookUp_SeveralPayments_TheOneThatChargesCounts(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{ForgetDeclines: true})
	declined := b.charge(cardDeclined, payment.ClassDeclined)
	approved := b.charge(cardOK, payment.ClassApproved)
	require.Len(t, b.fake.IDs(string(key)), 2)
	for _, id := range []string{"", declined.Reference, approved.TransactionID} {
		ref := b.ref()
		ref.Reference = id
		require.Equal(t, approved.TransactionID, b.lookUp(ref, payment.FoundApproved).TransactionID)
	}
}

func TestLookUp_NoKey_GivesNoAnswer(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{})
	b.lookUp(payment.ChargeRef{}, payment.FoundNoAnswer)
	require.Empty(t, b.fake.Calls())
}
