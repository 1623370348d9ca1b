package httpgateway_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/httpgateway"
	"paymentd/core/payment"
	"paymentd/ports"
)

var _ ports.Ledger = (*httpgateway.Gateway)(nil)

// day is the time that the lists of these tests are about.
func day() payment.LedgerQuery {
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	return payment.LedgerQuery{From: from, To: from.Add(24 * time.Hour)}
}

const entry = `{"key":"k-1","order_id":"o-1","amount":"100.00","currency":"USD","status":"succeeded",` +
	`"transaction_id":"t-1","created":"2026-03-01T12:00:00.25Z"}`

func TestCharges_Request_FollowsTheProtocol(t *testing.T) {
	t.Parallel()
	base := serveUnmarked(t, func(w http.ResponseWriter, r *http.Request) {
		sound := r.Method == http.MethodGet && r.URL.Path == "/v1/charges" && r.Header.Get("Cache-Control") == "no-cache" &&
			r.Header["Idempotency-Key"] == nil &&
			r.URL.Query().Get("from") == "2026-03-01T00:00:00.5Z" && r.URL.Query().Get("to") == "2026-03-02T00:00:00Z"
		switch {
		case !sound:
			w.WriteHeader(http.StatusTeapot)
		case !r.URL.Query().Has("cursor"):
			_, _ = io.WriteString(w, `{"charges":[`+entry+`],"next_cursor":"c 1&"}`)
		case r.URL.Query().Get("cursor") == "c 1&":
			_, _ = io.WriteString(w, `{"charges":[]}`)
		}
	})
	g := newGateway(t, base+"/v1/", longTimeout)
	q := day()
	q.From = q.From.Add(500 * time.Millisecond).In(time.FixedZone("", 3600))
	page, err := g.Charges(t.Context(), q)
	require.NoError(t, err)
	require.Equal(t, payment.LedgerPage{Charges: []payment.LedgerCharge{{
		Key: "k-1", OrderID: "o-1", Money: dollars(t, "100"), State: payment.FoundApproved, TransactionID: "t-1",
		Created: time.Date(2026, 3, 1, 12, 0, 0, 250_000_000, time.UTC),
	}}, Next: "c 1&"}, page)
	q.Cursor = page.Next
	page, err = g.Charges(t.Context(), q)
	require.NoError(t, err)
	require.Empty(t, page)
}

// edit returns the entry with one member replaced.
func edit(member, value string) string {
	before, after, _ := strings.Cut(entry, `"`+member+`":"`)
	_, after, _ = strings.Cut(after, `"`)
	return before + `"` + member + `":` + value + after
}

// An entry that cannot be read is reported, and does not hide the others.
func TestCharges_Entry_IsReadStrictly(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		entry string
		want  payment.LookupResult // empty if it cannot be read
	}{
		"succeeded":         {entry, payment.FoundApproved},
		"unknown members":   {edit("currency", `"USD","fee":{"amount":[1]}`), payment.FoundApproved},
		"declined":          {edit("status", `"declined"`), payment.FoundDeclined},
		"pending":           {edit("status", `"pending"`), payment.FoundPending},
		"authorized":        {edit("status", `"authorized"`), payment.FoundAuthorized},
		"processing":        {edit("status", `"processing"`), payment.FoundProcessing},
		"voided":            {edit("status", `"voided"`), payment.FoundVoided},
		"another zone":      {edit("created", `"2026-03-01T12:00:00+01:00"`), payment.FoundApproved},
		"other spelling":    {edit("amount", `"100"`), payment.FoundApproved},
		"historic currency": {edit("currency", `"DEM"`), payment.FoundApproved},
		"no key":            {edit("key", `""`), ""},
		"a key with spaces": {edit("key", `"k 1"`), ""},
		"a wrong order id":  {edit("order_id", `"o 1"`), ""},
		"a number":          {edit("amount", `100`), ""},
		"no amount":         {edit("amount", `""`), ""},
		"a wrong currency":  {edit("currency", `"usd"`), ""},
		"another status":    {edit("status", `"refunded"`), ""},
		"no id":             {edit("transaction_id", `null`), ""},
		"contradicting":     {edit("transaction_id", `"t-1","charged":false`), ""},
		"other case":        {edit("currency", `"USD","Status":"declined"`), ""},
		"no time":           {edit("created", `"yesterday"`), ""},
		"a string":          {`"k-1"`, ""},
		"null":              {`null`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := `{"charges":[` + tt.entry + "," + edit("key", `"k-2"`) + `],"next_cursor":null}`
			page, err := newGateway(t, say(t, http.StatusOK, jsonType, body), longTimeout).Charges(t.Context(), day())
			require.NoError(t, err)
			require.Equal(t, payment.GatewayKey("k-2"), page.Charges[len(page.Charges)-1].Key)
			if tt.want == "" {
				require.Len(t, page.Charges, 1)
				require.Len(t, page.Unreadable, 1)
				require.Contains(t, page.Unreadable[0], "entry 1 of the page")
				return
			}
			require.Empty(t, page.Unreadable)
			require.Len(t, page.Charges, 2)
			require.Equal(t, tt.want, page.Charges[0].State)
		})
	}
}

// What was captured and refunded may be missing, and is otherwise a sum of at most what the charge took.
func TestCharges_Sums_AreReadStrictly(t *testing.T) {
	t.Parallel()
	none := payment.LedgerSum{}
	for name, tt := range map[string]struct {
		status, members    string
		captured, refunded payment.LedgerSum
		unreadable         string // the member that cannot be read
	}{
		"neither":                     {"succeeded", ``, none, none, ""},
		"null":                        {"succeeded", `,"captured":null,"refunded":null`, none, none, ""},
		"both":                        {"succeeded", `,"captured":"60.00","refunded":"60"`, payment.ListedSum(6000), payment.ListedSum(6000), ""},
		"nothing refunded":            {"succeeded", `,"captured":"100.00","refunded":"0.00"`, payment.ListedSum(10000), payment.ListedSum(0), ""},
		"only refunded":               {"succeeded", `,"refunded":"0.5"`, none, payment.ListedSum(50), ""},
		"only captured":               {"succeeded", `,"captured":"0.01"`, payment.ListedSum(1), none, ""},
		"nothing taken":               {"authorized", `,"captured":"0.00","refunded":"0"`, payment.ListedSum(0), payment.ListedSum(0), ""},
		"captured more than charged":  {"succeeded", `,"captured":"100.01"`, none, none, "captured"},
		"refunded more than captured": {"succeeded", `,"captured":"60.00","refunded":"60.01"`, none, none, "refunded"},
		"refunded more than charged":  {"succeeded", `,"refunded":"100.01"`, none, none, "refunded"},
		"a number":                    {"succeeded", `,"captured":60.00`, none, none, "captured"},
		"a boolean":                   {"succeeded", `,"refunded":false`, none, none, "refunded"},
		"an empty text":               {"succeeded", `,"refunded":""`, none, none, "refunded"},
		"below zero":                  {"succeeded", `,"refunded":"-1.00"`, none, none, "refunded"},
		"too many decimals":           {"succeeded", `,"refunded":"0.001"`, none, none, "refunded"},
		"captured, and authorized":    {"authorized", `,"captured":"60.00"`, none, none, "captured"},
		"refunded, and declined":      {"declined", `,"refunded":"60.00"`, none, none, "refunded"},
		"another case":                {"succeeded", `,"Refunded":"1.00"`, none, none, "another case"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := `{"charges":[` + edit("status", `"`+tt.status+`"`+tt.members) + `]}`
			page, err := newGateway(t, say(t, http.StatusOK, jsonType, body), longTimeout).Charges(t.Context(), day())
			require.NoError(t, err)
			if tt.unreadable != "" {
				require.Empty(t, page.Charges)
				require.Len(t, page.Unreadable, 1)
				require.Contains(t, page.Unreadable[0], tt.unreadable)
				return
			}
			require.Empty(t, page.Unreadable)
			require.Equal(t, tt.captured, page.Charges[0].Captured)
			require.Equal(t, tt.refunded, page.Charges[0].Refunded)
		})
	}
}

// A page that is not one of the protocol is an error, because an empty page would prove that nothing was
// charged.
func TestCharges_Page_IsReadStrictly(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"web page":         {200, page, "it is a web page"},
		"empty":            {200, ``, "it is empty"},
		"an array":         {200, `[]`, "not one JSON object"},
		"no charges":       {200, `{"next_cursor":null}`, "no array charges"},
		"null":             {200, `{"charges":null}`, "no array charges"},
		"an object":        {200, `{"charges":{}}`, "no array charges"},
		"other case":       {200, `{"Charges":[]}`, "another case"},
		"twice, inside":    {200, `{"charges":[{"key":"a","key":"b"}]}`, "repeated member"},
		"cursor, number":   {200, `{"charges":[],"next_cursor":7}`, "its next_cursor is not"},
		"cursor, too long": {200, `{"charges":[],"next_cursor":"` + strings.Repeat("c", 1025) + `"}`, "its next_cursor is not"},
		"cursor, no ASCII": {200, `{"charges":[],"next_cursor":"é"}`, "its next_cursor is not"},
		"cursor, same":     {200, `{"charges":[],"next_cursor":"c0"}`, "cursor of the page itself"},
		"too early":        {200, `{"charges":[` + edit("created", `"2026-02-28T23:59:58Z"`) + `]}`, "outside of what was requested"},
		"too late":         {200, `{"charges":[` + edit("created", `"2026-03-02T00:00:01Z"`) + `]}`, "outside of what was requested"},
		"huge":             {200, `{"charges":[]}` + strings.Repeat(" ", 1<<20), "longer than 1048576 bytes"},
		"500":              {500, `{"charges":[]}`, "500 Internal Server Error"},
		"401":              {401, `{"message":"who are you"}`, "who are you"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := day()
			q.Cursor = "c0"
			_, err := newGateway(t, say(t, tt.status, jsonType, tt.body), longTimeout).Charges(t.Context(), q)
			require.ErrorContains(t, err, tt.want)
			require.NotErrorIs(t, err, ports.ErrNoLedger)
		})
	}
	for _, status := range []int{404, 405, 501} {
		_, err := newGateway(t, say(t, status, jsonType, ``), longTimeout).Charges(t.Context(), day())
		require.ErrorIs(t, err, ports.ErrNoLedger)
	}
}

// A page of a megabyte is read, although an answer to a charge of that size is not.
func TestCharges_LongPage_IsRead(t *testing.T) {
	t.Parallel()
	const n = 5000
	body := `{"charges":[` + strings.TrimSuffix(strings.Repeat(entry+",", n), ",") + `]}`
	page, err := newGateway(t, say(t, http.StatusOK, jsonType, body), longTimeout).Charges(t.Context(), day())
	require.NoError(t, err)
	require.Len(t, page.Charges, n)
}

// A cached page may lack charges.
func TestCharges_CachedPage_IsRefused(t *testing.T) {
	t.Parallel()
	base := serveUnmarked(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Age", "7")
		_, _ = io.WriteString(w, `{"charges":[]}`)
	})
	_, err := newGateway(t, base, longTimeout).Charges(t.Context(), day())
	require.ErrorContains(t, err, "comes from a cache")
}
