package app_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

// cardNumber is a number of Stripe's tests, which passes the Luhn check.
const cardNumber = "4242424242424242"

// grouped returns the number in groups of four digits.
func grouped(separator string) string {
	return strings.Join([]string{cardNumber[:4], cardNumber[4:8], cardNumber[8:12], cardNumber[12:]}, separator)
}

// TestCardNumber_AnywhereInARequest_LeavesNoTrace sends a card number in each place of a request. It must not be in the
// log, in the files of the service, in an answer, or in a request to the gateway.
func TestCardNumber_AnywhereInARequest_LeavesNoTrace(t *testing.T) {
	t.Parallel()
	const payment = `{"order_id":"ORDER","amount":25.00,"payment_method":"pm_card_visa"}`
	with := func(member string) string {
		return strings.Replace(payment, `"payment_method":"pm_card_visa"`, member, 1)
	}
	method := func(value string) string { return with(`"payment_method":` + value) }

	var mu sync.Mutex
	var gateway bytes.Buffer // all that the gateway was sent
	p := serveStripe(t, env{"PAYMENTD_LOG_LEVEL": "debug", "PAYMENTD_RETRY_DELAY": "1ms"}, func(r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		mu.Lock()
		defer mu.Unlock()
		_ = r.Header.Write(&gateway)
		gateway.WriteString(r.URL.String() + "\n" + string(body) + "\n")
	})
	var answers strings.Builder
	for name, c := range map[string]struct {
		body   string
		query  string
		header []string
		want   int
	}{
		"digits":            {body: method(`"` + cardNumber + `"`), want: http.StatusBadRequest},
		"spaces":            {body: method(`"` + grouped(" ") + `"`), want: http.StatusBadRequest},
		"hyphens":           {body: method(`"` + grouped("-") + `"`), want: http.StatusBadRequest},
		"escaped":           {body: method(`"\u0034242` + cardNumber[4:] + `"`), want: http.StatusBadRequest},
		"number":            {body: method(cardNumber), want: http.StatusBadRequest},
		"object":            {body: method(`{"number":"` + cardNumber + `"}`), want: http.StatusBadRequest},
		"unknown-member":    {body: with(`"card":"` + cardNumber + `"`), want: http.StatusBadRequest},
		"member-name":       {body: with(`"` + cardNumber + `":1`), want: http.StatusBadRequest},
		"in-member-name":    {body: with(`"card-` + grouped("-") + `":1`), want: http.StatusBadRequest},
		"query-name":        {body: payment, query: "?" + cardNumber + "=1", want: http.StatusBadRequest},
		"duplicate":         {body: with(`"payment_method":"pm_card_visa","payment_method":"` + cardNumber + `"`), want: http.StatusBadRequest},
		"malformed":         {body: `{"payment_method":"` + cardNumber + `"`, want: http.StatusBadRequest},
		"trailing":          {body: payment + `"` + cardNumber + `"`, want: http.StatusBadRequest},
		"currency":          {body: with(`"currency":"` + cardNumber + `"`), want: http.StatusBadRequest},
		"amount":            {body: `{"order_id":"ORDER","amount":` + cardNumber + `}`, want: http.StatusBadRequest},
		"spaced-order":      {body: `{"order_id":"` + grouped(" ") + `","amount":25.00}`, want: http.StatusBadRequest},
		"query":             {body: payment, query: "?payment_method=" + cardNumber, want: http.StatusBadRequest},
		"idempotency-key":   {body: payment, header: []string{"Idempotency-Key", cardNumber}, want: http.StatusOK},
		"problem":           {body: method(`"` + cardNumber + `"`), header: []string{"Accept", "application/problem+json"}, want: http.StatusBadRequest},
		"unknown-path":      {body: payment, query: "/" + cardNumber, want: http.StatusNotFound},
		"other-content":     {body: cardNumber, header: []string{"Content-Type", "text/plain"}, want: http.StatusUnsupportedMediaType},
		"no-card-but-digit": {body: method(`"` + cardNumber[:15] + `1"`), want: http.StatusPaymentRequired}, // no token of the fake
	} {
		a := apptest.Ask(t.Context(), http.MethodPost, p.URL+"/payments/process"+c.query, strings.ReplaceAll(c.body, "ORDER", "order-"+name), c.header...)
		require.Equal(t, c.want, a.Code, "%s: %s", name, a)
		answers.WriteString(a.Raw)
	}
	for name, body := range refundsWithACardNumber() {
		a := apptest.Ask(t.Context(), http.MethodPost, p.URL+"/payments/order-idempotency-key/refunds", body)
		require.Equal(t, http.StatusBadRequest, a.Code, "%s: %s", name, a)
		answers.WriteString(a.Raw)
	}
	a := apptest.Get(t.Context(), p.URL, "/payments/order-idempotency-key/refunds/"+cardNumber)
	require.Equal(t, http.StatusBadRequest, a.Code, a)
	answers.WriteString(a.Raw)
	require.Zero(t, p.Stop(t))
	mu.Lock()
	defer mu.Unlock()
	require.Contains(t, gateway.String(), "order-idempotency-key")
	require.Contains(t, filesOf(t, p.Folder), "order-idempotency-key")
	require.Contains(t, p.Log(), "order-idempotency-key")
	for where, text := range map[string]string{
		"the answers": answers.String(), "the log": p.Log(), "the files": filesOf(t, p.Folder), "the requests to the gateway": gateway.String(),
	} {
		for _, number := range []string{cardNumber, grouped(" "), grouped("-"), grouped("+"), grouped("%20")} {
			require.NotContains(t, text, number, where)
		}
	}
}

// refundsWithACardNumber are bodies of requests to refund.
func refundsWithACardNumber() map[string]string {
	return map[string]string{
		"refund id":          `{"refund_id":"` + cardNumber + `"}`,
		"refund id, hyphens": `{"refund_id":"` + grouped("-") + `"}`,
		"number":             `{"refund_id":` + cardNumber + `}`,
		"reason":             `{"refund_id":"r-1","reason":"` + cardNumber + `"}`,
		"within a reason":    `{"refund_id":"r-1","reason":"the card is ` + grouped(" ") + `, expired"}`,
		"escaped":            `{"refund_id":"r-1","reason":"\u0034242` + cardNumber[4:] + `"}`,
		"unknown member":     `{"refund_id":"r-1","card":"` + cardNumber + `"}`,
		"member name":        `{"refund_id":"r-1","` + cardNumber + `":1}`,
		"amount":             `{"refund_id":"r-1","amount":` + cardNumber + `}`,
		"currency":           `{"refund_id":"r-1","amount":1,"currency":"` + cardNumber + `"}`,
	}
}

// filesOf returns the content of all files in the folder.
func filesOf(t *testing.T, folder string) string {
	t.Helper()
	var all strings.Builder
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(folder, e.Name()))
		require.NoError(t, err)
		all.Write(content)
	}
	return all.String()
}
