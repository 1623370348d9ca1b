// Package docs_test reads the page at /docs in a browser.
package docs_test

import (
	"context"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

// pageMonitor records what a page should not do.
type pageMonitor struct {
	host string

	mu       sync.Mutex
	requests int
	faults   []string
}

func (m *pageMonitor) observe(event any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		m.requests++
		if u, err := url.Parse(e.Request.URL); err != nil || u.Host != m.host && u.Scheme != "data" {
			m.faults = append(m.faults, "requests "+e.Request.URL)
		}
	case *log.EventEntryAdded:
		m.faults = append(m.faults, string(e.Entry.Level)+": "+e.Entry.Text)
	case *runtime.EventExceptionThrown:
		m.faults = append(m.faults, e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" {
			m.faults = append(m.faults, "console: "+string(e.Args[0].Value))
		}
	}
}

// browse returns the context of a browser page that m monitors.
func browse(t *testing.T, m *pageMonitor) context.Context {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	require.NotEmpty(t, program, "Chromium is not installed; tools/provision.sh installs it")
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	ctx, page := chromedp.NewContext(ctx, chromedp.WithListener(m.observe), chromedp.WithAllocatorOptions(
		chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(time.Minute),
		chromedp.NoSandbox, // CI runs as root
	))
	t.Cleanup(func() {
		require.NoError(t, chromedp.Cancel(ctx))
		page()
	})
	return ctx
}

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
	m := &pageMonitor{host: strings.TrimPrefix(p.URL, "http://")}
	page := browse(t, m)

	require.NoError(t, chromedp.Do(page,
		chromedp.Navigate(p.URL+"/docs#/payments/processPayment"),
		chromedp.Click(".try-out__btn"),
		chromedp.Click(".execute"),
	))
	answer, err := chromedp.Run(page, chromedp.Text(".live-responses-table"))
	require.NoError(t, err)
	require.Contains(t, answer, `"transaction_id": "txn-1"`)
	require.Contains(t, answer, "200")

	m.mu.Lock()
	defer m.mu.Unlock()
	require.Empty(t, m.faults)
	require.GreaterOrEqual(t, m.requests, 6, "the page, its parts, the OpenAPI file and the payment")
	found, err := apptest.Find(t.Context(), p.URL, "order-123")
	require.NoError(t, err)
	require.Equal(t, "succeeded", found.State)
}

// TestDocs_RealGateway_HasNoTryItOut checks that the page cannot charge real money.
func TestDocs_RealGateway_HasNoTryItOut(t *testing.T) {
	t.Parallel()

	p := serve(t, map[string]string{"PAYMENTD_GATEWAY": "http://127.0.0.1:1"})
	m := &pageMonitor{host: strings.TrimPrefix(p.URL, "http://")}
	page := browse(t, m)

	require.NoError(t, chromedp.Do(page, chromedp.Navigate(p.URL+"/docs#/payments/processPayment")))
	text, err := chromedp.Run(page, chromedp.Text("#operations-payments-processPayment .opblock-body"))
	require.NoError(t, err)
	require.Contains(t, text, "Charges the order")
	require.NotContains(t, text, "Try it out")
}
