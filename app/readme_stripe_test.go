package app_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/stripegateway/stripefake"
	"paymentd/app/apptest"
)

// serveStripe starts the service with a fake of Stripe, whose requests record sees before the fake.
func serveStripe(t *testing.T, variables env, record func(*http.Request)) *apptest.Process {
	t.Helper()
	fake, err := stripefake.Open(filepath.Join(t.TempDir(), "ledger"), stripefake.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, fake.Close()) })
	handler := fake.Handler()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		record(r)
		if r.URL.Path == "/paid" {
			_, _ = io.WriteString(w, "the page of the shop")
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	key := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(key, []byte("sk_test_0123456789\n"), 0o600))
	variables["PAYMENTD_GATEWAYS_FILE"] = gatewaysFile(t, fmt.Sprintf(
		"gateways: [{name: stripe, kind: stripe, url: %q, secret_key_file: %q, return_url: %q}]\n", server.URL, key, server.URL+"/paid"))
	return serve(t, variables)
}

var (
	intentID = regexp.MustCompile(`pi_[A-Z0-9]+`)
	address  = regexp.MustCompile(`http://127\.0\.0\.1:\d+/fake`)
)

// TestReadme_StripePayments_AreAnsweredAsShown makes the payments of the section of the README, and compares the
// answers. A line that begins with # stands for the customer, who completes the authentication.
func TestReadme_StripePayments_AreAnsweredAsShown(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(readme), "\n## Through Stripe's API\n")
	require.True(t, found)
	_, block, _ := strings.Cut(section, "```console\n")
	block, _, found = strings.Cut(block, "```")
	require.True(t, found)

	p := serveStripe(t, env{"PAYMENTD_RECONCILE": "15m"}, func(*http.Request) {})
	var page, got string
	asked := 0
	for line := range strings.SplitSeq(strings.TrimSpace(block), "\n") {
		body, isPayment := strings.CutPrefix(line, "$ pay '")
		switch {
		case isPayment:
			body, _, _ = strings.Cut(body, "'")
			a := payRepeatedly(t, p.URL, body, page != "")
			got += line + "\n" + shown(a) + "\n"
			if url := regexp.MustCompile(`"redirect_url":"([^"]+)"`).FindStringSubmatch(a.Raw); url != nil {
				page = url[1]
			}
			asked++
		case strings.HasPrefix(line, "# "):
			authenticate(t, page)
			got += line + "\n"
		case strings.HasPrefix(line, "$ make run/stripe") || line == "":
			got += line + "\n"
		}
	}
	normal := func(s string) string {
		return strings.TrimSpace(address.ReplaceAllString(intentID.ReplaceAllString(s, "pi_"), "http://127.0.0.1/fake"))
	}
	require.Equal(t, normal(block), normal(got))
	require.Equal(t, 5, asked)
	require.Zero(t, p.Stop(t))
}

// payRepeatedly pays. If settles is set, the payment was pending, and is repeated until it no longer is, because
// the gateway is asked at most once a second.
func payRepeatedly(t *testing.T, base, body string, settles bool) (a apptest.Answer) {
	t.Helper()
	apptest.Eventually(t, time.Minute, func() error {
		a = apptest.Post(t.Context(), base, body)
		if settles && a.Code == http.StatusAccepted {
			return fmt.Errorf("the payment is pending: %s", a)
		}
		return nil
	})
	return a
}

// shown returns an answer as the function pay of the README prints it.
func shown(a apptest.Answer) string {
	text := fmt.Sprintf("HTTP/1.1 %d %s\n", a.Code, http.StatusText(a.Code))
	if replayed := a.Header.Get("Idempotent-Replayed"); replayed != "" {
		text += "Idempotent-Replayed: " + replayed + "\n"
	}
	return text + strings.TrimSpace(a.Raw)
}

// authenticate follows the link by which a customer completes the authentication.
func authenticate(t *testing.T, page string) {
	t.Helper()
	form := apptest.Get(t.Context(), page, "")
	require.Contains(t, form.Raw, `<a href="?outcome=succeeded">`)
	done := apptest.Get(t.Context(), page, "?outcome=succeeded")
	require.Equal(t, "the page of the shop", done.Raw, done)
}
