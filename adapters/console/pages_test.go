package console_test

import (
	"encoding/csv"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
)

func TestPayment_ExplainsWhyItCannotBeChargedTwice(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.pay("unresolved", fake.Timeout())
	s.pay("succeeded", fake.Approve())
	s.pay("declined", fake.Decline("card_declined"))
	b := s.as(s.reader)
	for order, want := range map[string][]string{
		"unresolved": {"No other key is sent until this one is closed", "attempt 1: no answer, outcome unknown", "next lookup", "In short", "What decides next"},
		"succeeded":  {"Every repeat is answered from the record", "attempt 1: approved", "the state is final"},
		"declined":   {"The gateway declined, and the key is closed", "card_declined", "sends a new key"},
	} {
		got := b.get("/console/payments/" + order)
		require.Equal(t, http.StatusOK, got.status)
		for _, text := range want {
			require.Contains(t, got.text, text, order)
		}
		require.Contains(t, got.body, "<svg", "a waterfall")
		require.NotContains(t, got.body, `action="/console/confirm"`, "a key that may only read")
	}
	require.Equal(t, http.StatusNotFound, b.get("/console/payments/unknown").status)
	require.Equal(t, http.StatusUnprocessableEntity, b.get("/console/payments/%20").status)
}

// The order id, the message and everything else of a payment is data, never markup.
func TestPages_EscapeWhatIsStored(t *testing.T) {
	t.Parallel()
	const order = `<script>alert(1)</script>"'&`
	s := open(t)
	s.pay(order, fake.Timeout())
	b := s.as(s.admin)
	path := "/console/payments/" + url.PathEscape(order)
	for _, got := range []page{
		b.get(path), b.get("/console/payments"), b.get("/console/waiting"), b.get("/console/search?q=" + url.QueryEscape("<scr")),
		b.get("/console/search?q=" + url.QueryEscape(order+order)), b.post("/console/confirm", "act", "lookup", "ref", order),
	} {
		require.Equal(t, http.StatusOK, got.status)
		require.NotContains(t, got.body, "<script>alert")
		require.NotContains(t, got.body, "<scr\"")
	}
	link := valueOf(t, b.get("/console/payments").body, `<th scope="row"><a href="`)
	require.Contains(t, b.get(html.UnescapeString(link)).text, "Payment "+order)
}

func TestGatewaysBook_AsksAndStoresNothing(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.pay("order-1", fake.LoseAnswer())
	p := s.pay("order-2", fake.LoseAnswer())
	require.Equal(t, payment.StateSucceeded, p.State, "the lookup after the round has found it")
	s.gateway.OnLookUp(func(payment.GatewayKey) fake.Answer { return fake.SaysNothing })
	s.pay("order-3", fake.Timeout())
	b := s.as(s.reader)
	before := s.history("order-3")
	b.get("/console/payments/order-3")
	got := b.post("/console/payments/order-3", "ref", "order-3", "key", string(before.Payment.GatewayKey))
	require.Equal(t, http.StatusOK, got.status, got.text)
	require.Contains(t, got.text, "The gateway's book beside ours")
	require.Contains(t, got.text, "The gateway has nothing under this key.")
	after := s.history("order-3")
	after.Payment.SeenAt = before.Payment.SeenAt
	require.Equal(t, before, after)
	require.Equal(t, http.StatusNotFound, b.post("/console/payments/order-3", "ref", "order-3", "key", "key-of-another-order").status)
	require.Equal(t, http.StatusNotFound, b.post("/console/payments/order-3", "ref", "order-3 refund r-1", "key", "x").status)
}

func TestWaiting_FiltersAndPages(t *testing.T) {
	t.Parallel()
	s := open(t)
	for i := range 60 {
		s.pay(payment.OrderID(fmt.Sprintf("unresolved-%02d", i)), fake.Timeout())
	}
	s.pay("done", fake.Approve())
	_, err := s.service.Process(t.Context(), core.Request{OrderID: "later", Money: usd(t, "5"), Async: true})
	require.NoError(t, err)
	b := s.as(s.reader)

	seen, path, pages := map[string]int{}, "/console/waiting", 0
	for path != "" {
		got := b.get(path)
		require.Equal(t, http.StatusOK, got.status)
		for _, order := range regexp.MustCompile(`/console/payments/([a-z0-9-]+)"`).FindAllStringSubmatch(got.body, -1) {
			seen[order[1]]++
		}
		path = ""
		if next := regexp.MustCompile(`href="([^"]+)">Next page`).FindStringSubmatch(got.body); next != nil {
			path = strings.ReplaceAll(next[1], "&amp;", "&")
		}
		pages++
	}
	require.Equal(t, 2, pages)
	require.Len(t, seen, 61)
	require.Equal(t, 1, seen["later"])

	for query, want := range map[string]string{
		"state=scheduled": "later", "state=unresolved": "unresolved-00", "gateway=" + string(s.gateway.Capabilities().Gateway): "unresolved-00",
		"state=pending": "Nothing that waits matches this filter", "state=quarantined": "Nothing that waits matches this filter",
		"age=1h": "Nothing that waits matches this filter", "gateway=other": "Nothing that waits matches this filter",
	} {
		got := b.get("/console/waiting?" + query)
		require.Equal(t, http.StatusOK, got.status)
		require.Contains(t, got.text, want, query)
	}
	for _, query := range []string{"state=succeeded", "state=x", "age=x", "age=-1h", "after=x", "after=MSAyIA"} {
		require.Contains(t, []int{200, 400}, b.get("/console/waiting?"+query).status, query)
	}
	require.Equal(t, http.StatusBadRequest, b.get("/console/waiting?state=succeeded").status)
	require.Contains(t, openWithoutKeys(t).browse().get("/console/waiting").text, "Nothing waits.")
}

func TestCSV_HasAllPages(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.pay("=1+1", fake.Timeout())
	s.pay("order-1", fake.Approve())
	b := s.as(s.reader)
	for path, want := range map[string][][]string{
		"/console/payments.csv":                 {{"order-1", "succeeded", "100.00", "USD"}, {"'=1+1", "unresolved", "100.00", "USD"}},
		"/console/waiting.csv?state=unresolved": {{"'=1+1", "unresolved", "100.00", "USD"}},
		"/console/waiting.csv?state=pending":    nil,
	} {
		got := b.get(path)
		require.Equal(t, http.StatusOK, got.status)
		require.Contains(t, got.header.Get("Content-Type"), "text/csv")
		require.Contains(t, got.header.Get("Content-Disposition"), "attachment")
		rows, err := csv.NewReader(strings.NewReader(got.body)).ReadAll()
		require.NoError(t, err)
		require.Equal(t, "order_id", rows[0][0])
		require.Len(t, rows, len(want)+1)
		for i, row := range want {
			require.Equal(t, row, rows[i+1][:4], path)
		}
	}
}

func TestSearch_ByWhatHasAnIndex(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.pay("order-1", fake.Approve())
	s.pay("order-10", fake.Approve())
	s.pay("other", fake.Approve())
	b := s.as(s.admin)
	b.post("/console/act", pairs("act=refund&ref=order-1&refund=r-77&amount=1&reason=x")...)
	require.Equal(t, "/console/payments/order-10", b.get("/console/search?q=order-10").header.Get("Location"), "the only one")
	got := b.get("/console/search?q=order-1")
	require.Contains(t, got.text, "order-10")
	require.NotContains(t, got.text, " other ")
	require.Contains(t, b.get("/console/search?q=r-77").text, "refund r-77")
	require.Contains(t, b.get("/console/search?q=nothing").text, "Nothing begins with or has")
	require.Contains(t, b.get("/console/search?q=nothing").text, "among the payments of a period")
	require.Equal(t, http.StatusBadRequest, b.get("/console/search?q=a%20b").status)
	require.Equal(t, http.StatusBadRequest, b.get("/console/search?q="+strings.Repeat("x", 300)).status)
}

func TestTransaction_IsFoundWithinAPeriod(t *testing.T) {
	t.Parallel()
	s := open(t)
	transaction := s.pay("order-1", fake.Approve()).TransactionID
	s.pay("order-2", fake.Approve())
	b := s.as(s.reader)
	require.Contains(t, b.get("/console/search/transaction").text, "at most 10,000 at once")
	path := "/console/search/transaction?transaction=" + transaction
	require.NotContains(t, b.get(path).text, "were read.", "a period is chosen first")
	found := b.get(path + "&from=2020-01-01T00:00")
	require.Contains(t, found.text, "order-1")
	require.NotContains(t, found.text, "order-2")
	require.Contains(t, found.text, "2 payments were read.")
	require.Contains(t, b.get(path+"&from=2020-01-01T00:00&before=2021-01-01").text, "None of the 0 payments")
	require.Contains(t, b.get("/console/search/transaction?transaction=x&from=2020-01-01").text, "None of the 2 payments")
	require.Equal(t, http.StatusBadRequest, b.get(path+"&from=yesterday").status)
	require.Equal(t, http.StatusBadRequest, b.get(path+"&from=2020-01-01&after=x").status)
}

func TestList_NewestFirst(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.as(s.reader)
	require.Contains(t, b.get("/console/payments").text, "There are no payments")
	for i := range 55 {
		s.pay(payment.OrderID(fmt.Sprintf("order-%02d", i)), fake.Approve())
	}
	got := b.get("/console/payments")
	require.Contains(t, got.text, "order-54")
	require.NotContains(t, got.text, "order-04")
	next := regexp.MustCompile(`href="([^"]+)">Next page`).FindStringSubmatch(got.body)
	require.NotNil(t, next)
	require.Contains(t, b.get(strings.ReplaceAll(next[1], "&amp;", "&")).text, "order-04")
	require.Contains(t, b.get("/console/payments?before=2001-01-01T00:00").text, "There are no payments of this time")
	require.Equal(t, http.StatusBadRequest, b.get("/console/payments?from=yesterday").status)
}
