package app_test

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

// onlooker writes down what a page should not do.
type onlooker struct {
	host string

	mu       sync.Mutex
	requests int
	faults   []string
}

func (o *onlooker) see(event any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		o.requests++
		if u, err := url.Parse(e.Request.URL); err != nil || u.Host != o.host && u.Scheme != "data" {
			o.faults = append(o.faults, "asks "+e.Request.URL)
		}
	case *log.EventEntryAdded:
		o.faults = append(o.faults, string(e.Entry.Level)+": "+e.Entry.Text)
	case *runtime.EventExceptionThrown:
		o.faults = append(o.faults, e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" {
			o.faults = append(o.faults, "console: "+string(e.Args[0].Value))
		}
	}
}

// browse returns the context of a page of a browser, which o looks on.
func browse(t *testing.T, o *onlooker) context.Context {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	require.NotEmpty(t, program, "there is no Chromium; tools/provision.sh installs one")
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	ctx, page := chromedp.NewContext(ctx, chromedp.WithListener(o.see), chromedp.WithAllocatorOptions(
		chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(time.Minute),
		chromedp.NoSandbox, // CI runs as root
	))
	t.Cleanup(func() {
		require.NoError(t, chromedp.Cancel(ctx))
		page()
	})
	return ctx
}

// TestDocs reads the page in a browser, and pays by clicking.
func TestDocs(t *testing.T) {
	t.Parallel()

	p := serve(t, nil)
	o := &onlooker{host: strings.TrimPrefix(p.URL, "http://")}
	page := browse(t, o)

	require.NoError(t, chromedp.Do(page,
		chromedp.Navigate(p.URL+"/docs#/payments/processPayment"),
		chromedp.Click(".try-out__btn"),
		chromedp.Click(".execute"),
	))
	answer, err := chromedp.Run(page, chromedp.Text(".live-responses-table"))
	require.NoError(t, err)
	require.Contains(t, answer, `"transaction_id": "txn-1"`)
	require.Contains(t, answer, "200")

	o.mu.Lock()
	defer o.mu.Unlock()
	require.Empty(t, o.faults)
	require.GreaterOrEqual(t, o.requests, 6, "the page, its parts, the contract and the payment")
	found, err := apptest.Find(t.Context(), p.URL, "order-123")
	require.NoError(t, err)
	require.Equal(t, "succeeded", found.State)
}

// TestDocsOfARealGateway: the page has no button that would take somebody's money.
func TestDocsOfARealGateway(t *testing.T) {
	t.Parallel()

	p := serve(t, map[string]string{"PAYMENTD_GATEWAY": "http://127.0.0.1:1"})
	o := &onlooker{host: strings.TrimPrefix(p.URL, "http://")}
	page := browse(t, o)

	require.NoError(t, chromedp.Do(page, chromedp.Navigate(p.URL+"/docs#/payments/processPayment")))
	text, err := chromedp.Run(page, chromedp.Text("#operations-payments-processPayment .opblock-body"))
	require.NoError(t, err)
	require.Contains(t, text, "Charges the order")
	require.NotContains(t, text, "Try it out")
}
