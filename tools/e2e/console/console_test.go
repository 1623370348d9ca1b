// Package console_test reads and uses the pages at /console in a browser, served by a process of its own with SQLite and
// the sandbox, whose documented amounts make the gateway sick.
package console_test

import (
	_ "embed"
	"fmt"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
	"paymentd/tools/e2e/browser"
)

// axe is axe-core 4.14.1 as published on npm.
//
//go:embed testdata/axe.min.js
var axe string

// Amounts that `paymentd sandbox --help` documents.
const (
	declined       = "9402"
	neverAnswered  = "9505"
	alwaysFails    = "9500"
	pendingForever = "9201"
)

// serve starts the service, in which a payment that got no answer soon waits for lookups.
func serve(t *testing.T, variables map[string]string) *apptest.Process {
	t.Helper()
	all := map[string]string{
		"PAYMENTD_GATEWAY_TIMEOUT": "500ms", "PAYMENTD_RETRY_DELAY": "100ms", "PAYMENTD_MAX_RETRIES": "1",
	}
	maps.Copy(all, variables)
	p := apptest.Start(t, apptest.Build(t), all, "serve")
	p.WaitReady(t)
	return p
}

// pay makes a payment, and requires the status.
func pay(t *testing.T, p *apptest.Process, order, amount string, status int, headers ...string) {
	t.Helper()
	answer := apptest.Pay(t.Context(), p.URL, order, amount, headers...)
	require.Equal(t, status, answer.Code, answer)
}

// updateLimit is within how long the first page shows what has happened.
const updateLimit = time.Second

// updateSlack is what a busy machine may take on top.
const updateSlack = 15 * time.Second

func TestNow_LiveUpdates(t *testing.T) {
	t.Parallel()
	p := serve(t, nil)
	page := browser.Open(t, p.URL)
	page.Go(p.URL + "/console")
	require.Contains(t, page.Text("#now"), "No payment was made in the last 15 minutes")
	require.Contains(t, page.Text("#now"), "Every attempt of every payment has a proven outcome")
	page.Until(`document.querySelector("#now")?._htmx?.sse?.status === 200`, updateSlack)

	// The machine may be busy with other tests, so that the fastest of several updates counts.
	fastest := updateSlack
	for i := range 3 {
		pay(t, p, fmt.Sprintf("order-%d", i), "100.00", http.StatusOK)
		took := page.Until(fmt.Sprintf(`document.querySelector("#chart-outcomes .legend b")?.textContent === "%d"`, i+1), updateSlack)
		fastest = min(fastest, took)
	}
	require.Less(t, fastest, updateLimit+200*time.Millisecond)

	pay(t, p, "order-stuck", neverAnswered, http.StatusAccepted)
	page.Until(`document.querySelector("#now").textContent.includes("9\u202f505.00 USD")`, updateSlack)
	require.Contains(t, page.Text("#now"), "order-stuck")
	page.RequireNoFaults()
	require.Zero(t, p.Stop(t), "the open stream does not keep the process from stopping")
}

// sick is a service whose gateway has been sick: payments wait in every way, and some are final.
func sick(t *testing.T) *apptest.Process {
	t.Helper()
	p := serve(t, nil)
	pay(t, p, "order-paid", "100.00", http.StatusOK)
	pay(t, p, "order-declined", declined, http.StatusPaymentRequired)
	pay(t, p, "order-pending", pendingForever, http.StatusAccepted)
	pay(t, p, "order-stuck", neverAnswered, http.StatusAccepted)
	pay(t, p, "order-later", alwaysFails, http.StatusAccepted, "Prefer", "respond-async")
	return p
}

// pages are the pages of the console, by a text that each shows for the payments of sick.
var pages = map[string]string{
	"/console":                                 "order-stuck",
	"/console/waiting":                         "order-stuck",
	"/console/waiting?state=pending":           "order-pending",
	"/console/waiting?state=scheduled&age=24h": "Nothing that waits matches this filter",
	"/console/payments":                        "order-paid",
	"/console/payments/order-paid":             "succeeded",
	"/console/payments/order-stuck":            "Why this cannot be charged twice now",
	"/console/search?q=order-":                 "order-",
	"/console/search?q=none-such":              "none-such",
	"/console/keys":                            "There is no key in the database",
	"/console/endpoints":                       "There is no endpoint",
	"/console/history":                         "Nothing is recorded yet",
	"/console/search/transaction?transaction=none&from=2020-01-01": "has the transaction",
}

// Every page passes axe-core in light and dark colours, asks no other host, leaves the console of the browser empty,
// and does not scroll sideways on a phone.
func TestPages_AccessibleOnEveryScreen(t *testing.T) {
	t.Parallel()
	p := sick(t)
	page := browser.Open(t, p.URL)
	for path, shows := range pages {
		page.Go(p.URL + path)
		page.Size(360, 740)
		require.Contains(t, page.Text("main"), shows, path)
		page.RequireNoSidewaysScroll()
		page.RequireAccessible(axe)
		page.Dark(true)
		page.Size(1280, 900)
		page.RequireNoSidewaysScroll()
		page.RequireAccessible(axe)
		page.Dark(false)
	}
	page.RequireNoFaults()
}

// Without JavaScript, every page shows the same, and the first one refreshes itself.
func TestPages_WithoutJavaScript(t *testing.T) {
	t.Parallel()
	p := sick(t)
	page := browser.Open(t, p.URL)
	page.WithoutScripts()
	for path, shows := range pages {
		page.Go(p.URL + path)
		require.Contains(t, page.Text("main"), shows, path)
	}
	page.Go(p.URL + "/console")
	require.Contains(t, page.Text("main"), "every ten seconds")
	require.Equal(t, "10", browser.Run(page, chromedp.Evaluate[string](`document.querySelector("meta[http-equiv=refresh]").content`)))
	page.RequireNoFaults()
}

// Updates stop when the viewer asks for it, and the page says so when they stop by themselves.
func TestNow_UpdatesStop(t *testing.T) {
	t.Parallel()
	p := serve(t, nil)
	page := browser.Open(t, p.URL)
	page.Go(p.URL + "/console?live=off")
	require.Contains(t, page.Text("main"), "The updates are stopped")
	requests := page.Requests()
	page.Do(chromedp.Click(`.live-note a`))
	page.Until(`document.querySelector("#now")?._htmx?.sse?.status === 200`, updateSlack)
	require.Greater(t, page.Requests(), requests)

	p.Pause(t)
	page.Until(`document.querySelector("#stale")?.hidden === false`, 10*time.Second)
	p.Resume(t)
	page.Until(`document.querySelector("#stale")?.hidden === true`, updateSlack)
	page.RequireNoFaults()
}

// The keyboard keeps its place while the page is updated around it.
func TestNow_UpdatesKeepFocus(t *testing.T) {
	t.Parallel()
	p := sick(t)
	page := browser.Open(t, p.URL)
	page.Go(p.URL + "/console")
	page.Do(chromedp.Focus(`#now td a`))
	require.True(t, browser.Run(page, chromedp.Evaluate[bool](`window.updates = 0,
		document.querySelector("#now").addEventListener("htmx:sse:after:message", () => window.updates++), true`)))
	page.Until(`window.updates >= 3`, 3*updateSlack)
	require.True(t, browser.Run(page, chromedp.Evaluate[bool](`document.activeElement.matches("#now td a")`)))
}
