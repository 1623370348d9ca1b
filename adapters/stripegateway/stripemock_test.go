//go:build stripemock

package stripegateway_test

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/stripegateway"
	"paymentd/core/payment"
)

// stripeMockVariable names the program stripe-mock, which checks requests against Stripe's OpenAPI file:
// `make test/stripe-mock`.
const stripeMockVariable = "STRIPE_MOCK"

// startStripeMock starts stripe-mock on a free port, and returns its base URL.
func startStripeMock(t *testing.T) string {
	t.Helper()
	program := os.Getenv(stripeMockVariable)
	if program == "" {
		t.Fatal("set " + stripeMockVariable + " to the program stripe-mock, or run make test/stripe-mock")
	}
	// Without -https-addr, it listens on a fixed port of all interfaces as well.
	command := exec.Command(program, "-http-addr", "127.0.0.1:0", "-https-addr", "127.0.0.1:0")
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	command.Stderr = command.Stdout
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	address := regexp.MustCompile(`Listening for HTTP at address: (\S+)`)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if match := address.FindStringSubmatch(lines.Text()); match != nil {
			go func() { _, _ = io.Copy(io.Discard, out) }() // ends with the process
			return "http://" + match[1]
		}
	}
	require.Fail(t, "stripe-mock has not started", lines.Err())
	return ""
}

// The shapes of all requests that the adapter makes. stripe-mock validates them, but keeps no state, ignores
// keys and returns its own metadata, so that no answer is about the charge.
func TestStripeMock_AcceptsTheRequests(t *testing.T) {
	t.Parallel()
	base := startStripeMock(t)
	g := openAt(t, &httptest.Server{URL: base})
	c := newCharge(t, visa)
	for _, returnURL := range []string{"https://shop.example/back", ""} {
		c.ReturnURL = returnURL
		r := g.Charge(t.Context(), c)
		require.True(t, r.Answered)
		require.Equal(t, payment.ClassUnknownAnswered, r.Class)
		require.Contains(t, r.Message, "Stripe answered 200 OK (req_123), which cannot be used: its metadata has another gateway key")
	}
	// It returns an intent of another charge for each id, and one page of a list.
	l := g.LookUp(t.Context(), payment.ChargeRef{Key: c.Key, Reference: "pi_1"})
	require.Equal(t, payment.FoundNoAnswer, l.Result)
	require.Contains(t, l.Message, "cannot be used")
	require.Equal(t, payment.FoundNothing, g.LookUp(t.Context(), payment.ChargeRef{Key: c.Key, Sent: time.Now()}).Result)
	require.Equal(t, payment.FoundNothing, g.Cancel(t.Context(), payment.ChargeRef{Key: c.Key}).Result)
	refund := newRefund(t, c, payment.ChargeID{Key: c.Key, TransactionID: "pi_1"}, "2.50")
	r := g.Charge(t.Context(), refund)
	require.True(t, r.Answered)
	require.Contains(t, r.Message, "Stripe answered 200 OK (req_123), which cannot be used: its metadata has another gateway key")
	l = g.LookUp(t.Context(), refundRef(refund, payment.Result{Reference: "re_1"}))
	require.Equal(t, payment.FoundNoAnswer, l.Result)
	require.Contains(t, l.Message, "cannot be used")
	require.Equal(t, payment.FoundNothing, g.LookUp(t.Context(), refundRef(refund, payment.Result{})).Result)
	// A hold, and its capture and void. It returns an intent of another charge.
	hold := newHold(t, visa)
	of := payment.ChargeID{Key: hold.Key, TransactionID: "pi_1"}
	for _, c := range []payment.Charge{
		hold, endOf(t, hold, of, payment.KindCapture, "2.50"), endOf(t, hold, of, payment.KindVoid, "12.50"),
	} {
		r := g.Charge(t.Context(), c)
		require.True(t, r.Answered)
		require.Equal(t, payment.ClassUnknownAnswered, r.Class)
		require.Contains(t, r.Message, "Stripe answered 200 OK (req_123), which cannot be used: ")
		if c.Of.Key != "" {
			require.Equal(t, payment.FoundNoAnswer, g.LookUp(t.Context(), refundRef(c, payment.Result{})).Result)
		}
	}
	page, err := g.Charges(t.Context(), payment.LedgerQuery{From: time.Now().Add(-time.Hour), To: time.Now()})
	require.NoError(t, err)
	require.NotEmpty(t, page.Charges)
	// It has no PaymentIntent that does not exist.
	require.Equal(t, stripegateway.Probe{
		Arrived: true, Marked: true, Status: http.StatusOK, Problem: "Stripe answered 200 OK (req_123)",
	}, g.Probe(t.Context()))
}

// The requests of the adapter that a charge at stripe-mock never leads to, and those of the fake's other
// operations. An unknown parameter is refused, so that this test can fail.
func TestStripeMock_AcceptsTheOperations(t *testing.T) {
	t.Parallel()
	base := startStripeMock(t)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, tt := range []struct {
		method, path string
		form         url.Values
		want         int
	}{
		{"POST", "/v1/payment_intents/pi_1/cancel", url.Values{"cancellation_reason": {"abandoned"}}, 200},
		{"POST", "/v1/payment_intents/pi_1/cancel", url.Values{"cancellation_reason": {"boredom"}}, 400},
		{"POST", "/v1/payment_intents/pi_1/confirm", url.Values{"payment_method": {"pm_card_visa"}}, 200},
		{"POST", "/v1/payment_intents/pi_1/capture", url.Values{"amount_to_capture": {"100"}, "metadata[a]": {"b"}}, 200},
		{"POST", "/v1/payment_intents/pi_1/capture", url.Values{"amount_to_capture": {"all"}}, 400},
		{"POST", "/v1/payment_intents/pi_1/cancel", nil, 200},
		{"POST", "/v1/payment_intents/pi_1/cancel", url.Values{"metadata[a]": {"b"}}, 400},
		{"POST", "/v1/refunds", url.Values{"payment_intent": {"pi_1"}, "amount": {"100"}, "metadata[a]": {"b"}}, 200},
		{"POST", "/v1/refunds", url.Values{"payment_intent": {"pi_1"}, "attempt": {"2"}}, 400},
		{"POST", "/v1/refunds", url.Values{"payment_intent": {"pi_1"}, "amount": {"many"}}, 400},
		{"GET", "/v1/refunds?payment_intent=pi_1&limit=100&starting_after=re_1", nil, 200},
		{"GET", "/v1/refunds/re_1", nil, 200},
		{"POST", "/v1/payment_intents", url.Values{"amount": {"1"}, "currency": {"usd"}, "attempt": {"2"}}, 400},
		{"GET", "/v1/payment_intents/search?query=" + url.QueryEscape(`metadata["paymentd_key"]:"k"`) + "&limit=100", nil, 200},
		{"GET", "/v1/payment_intents/pi_1?expand[]=latest_charge", nil, 200},
		{"GET", "/v1/account", nil, 200},
	} {
		req, err := http.NewRequest(tt.method, base+tt.path, strings.NewReader(tt.form.Encode()))
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+secretKey)
		if tt.method == http.MethodPost {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		resp, err := client.Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, tt.want, resp.StatusCode, "%s %s: %s", tt.method, tt.path, body)
	}
}
