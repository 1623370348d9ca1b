// Package docs_test reads the page at /docs in a browser.
package docs_test

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
	"paymentd/tools/e2e/browser"
)

func serve(t *testing.T, variables map[string]string) *apptest.Process {
	t.Helper()
	p := apptest.Start(t, apptest.Build(t), variables, "serve")
	p.WaitReady(t)
	return p
}

// TestDocs_Sandbox_PaysByClick opens the page in a browser and clicks the button that pays.
func TestDocs_Sandbox_PaysByClick(t *testing.T) {
	t.Parallel()

	p := serve(t, nil)
	page := browser.Open(t, p.URL)
	page.Do(
		chromedp.Navigate(p.URL+"/docs#/payments/processPayment"),
		chromedp.Click(".try-out__btn"),
		chromedp.Click(".execute"),
	)
	answer := page.Text(".live-responses-table")
	require.Contains(t, answer, `"transaction_id": "txn-1"`)
	require.Contains(t, answer, "200")
	page.RequireNoFaults()
	require.GreaterOrEqual(t, page.Requests(), 6, "the page, its parts, the OpenAPI file and the payment")
	found, err := apptest.Find(t.Context(), p.URL, "order-123")
	require.NoError(t, err)
	require.Equal(t, "succeeded", found.State)
}

// TestDocs_RealGateway_HasNoTryItOut checks that the page cannot charge real money.
func TestDocs_RealGateway_HasNoTryItOut(t *testing.T) {
	t.Parallel()

	p := serve(t, map[string]string{"PAYMENTD_GATEWAY": "http://127.0.0.1:1"})
	page := browser.Open(t, p.URL)
	page.Go(p.URL + "/docs#/payments/processPayment")
	text := page.Text("#operations-payments-processPayment .opblock-body")
	require.Contains(t, text, "Charges the order")
	require.NotContains(t, text, "Try it out")
}
