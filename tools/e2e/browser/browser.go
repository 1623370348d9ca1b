// Package browser opens pages in Chromium for tests, and reports what a page should not do.
package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// limit bounds how long a page is open.
const limit = 3 * time.Minute

// Page is a tab in a browser of its own, on which only one goroutine acts.
type Page struct {
	t    testing.TB
	host string          // the only one that the page may ask
	ctx  context.Context //nolint:containedctx // the tab

	mu       sync.Mutex
	requests int
	faults   []string
}

// Open opens a tab of a new browser, which may only ask the host of base. The browser ends with the test.
func Open(t testing.TB, base string) *Page {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	require.NotEmpty(t, program, "Chromium is not installed; tools/provision.sh installs it")
	address, err := url.Parse(base)
	require.NoError(t, err)
	p := &Page{t: t, host: address.Host}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	ctx, end := chromedp.NewContext(ctx, chromedp.WithListener(p.observe), chromedp.WithAllocatorOptions(
		chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(time.Minute),
		chromedp.NoSandbox, // CI runs as root
	))
	p.ctx = ctx
	t.Cleanup(func() {
		require.NoError(t, chromedp.Cancel(ctx))
		end()
	})
	return p
}

// observe records what a page should not do.
func (p *Page) observe(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		p.requests++
		if u, err := url.Parse(e.Request.URL); err != nil || u.Host != p.host && u.Scheme != "data" {
			p.faults = append(p.faults, "requests "+e.Request.URL)
		}
	case *log.EventEntryAdded:
		if e.Entry.Level != log.EntryLevelError && e.Entry.Level != log.EntryLevelWarning {
			return
		}
		p.faults = append(p.faults, string(e.Entry.Level)+": "+e.Entry.Text+" "+e.Entry.URL)
	case *runtime.EventExceptionThrown:
		p.faults = append(p.faults, e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" {
			p.faults = append(p.faults, "console: "+string(e.Args[0].Value))
		}
	}
}

// Requests returns the number of requests that the page has made.
func (p *Page) Requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests
}

// RequireNoFaults requires that the page has asked no other host, and that the console of the browser has no error
// and no warning. Faults that contain one of the texts are expected.
func (p *Page) RequireNoFaults(expected ...string) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	require.Empty(p.t, slices.DeleteFunc(slices.Clone(p.faults), func(fault string) bool {
		return slices.ContainsFunc(expected, func(text string) bool { return strings.Contains(fault, text) })
	}))
}

// Do runs the steps.
func (p *Page) Do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	require.NoError(p.t, chromedp.Do(p.ctx, steps...))
}

// Run runs an action on the page and returns its value.
func Run[T any](p *Page, a chromedp.Action[T]) T {
	p.t.Helper()
	value, err := chromedp.Run(p.ctx, a)
	require.NoError(p.t, err)
	return value
}

// Go opens an address.
func (p *Page) Go(address string) {
	p.t.Helper()
	p.Do(chromedp.Navigate(address))
}

// Text returns the visible text of an element.
func (p *Page) Text(selector string) string {
	p.t.Helper()
	return Run(p, chromedp.Text(selector))
}

// Until waits until a JavaScript expression is true, and returns how long that took.
func (p *Page) Until(expression string, within time.Duration) time.Duration {
	p.t.Helper()
	began := time.Now()
	for {
		if Run(p, chromedp.Evaluate[bool]("!!("+expression+")")) {
			return time.Since(began)
		}
		if time.Since(began) > within {
			require.Failf(p.t, "the page does not change", "after %v, this is not true: %s\nthe page says: %s", within, expression, p.Text("body"))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Call sends a command of the DevTools protocol.
func Call[P, R any](p *Page, command cdp.Command[P, R], params P) R {
	p.t.Helper()
	return Run(p, func(ctx context.Context, t *chromedp.Target) (R, error) { return cdp.Call(ctx, t, command, params) })
}

// Dark switches between the dark and the light colours.
func (p *Page) Dark(dark bool) {
	p.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	Call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
}

// WithoutScripts switches JavaScript off, for pages that are opened afterwards.
func (p *Page) WithoutScripts() {
	p.t.Helper()
	Call(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
}

// Size sets the size of the page in CSS pixels.
func (p *Page) Size(width, height int64) {
	p.t.Helper()
	p.Do(chromedp.EmulateViewport(width, height))
}

// RequireNoSidewaysScroll requires that the page is not wider than the window.
func (p *Page) RequireNoSidewaysScroll() {
	p.t.Helper()
	widths := Run(p, chromedp.Evaluate[[]int]("[document.documentElement.scrollWidth, window.innerWidth]"))
	require.LessOrEqual(p.t, widths[0], widths[1], "the page is wider than the window: %s", p.widest())
}

// widest names the elements that are wider than the window.
func (p *Page) widest() string {
	return Run(p, chromedp.Evaluate[string](`[...document.querySelectorAll("body *")]
		.filter(e => e.getBoundingClientRect().right > window.innerWidth + 1 && !e.closest(".scroll"))
		.map(e => e.tagName + "." + e.className).slice(0, 5).join(", ")`))
}

// violation is a finding of axe-core.
type violation struct {
	ID     string `json:"id"`
	Impact string `json:"impact"` // minor, moderate, serious or critical
	Help   string `json:"help"`
	Nodes  []struct {
		HTML    string `json:"html"`
		Summary string `json:"failureSummary"`
	} `json:"nodes"`
}

// RequireAccessible requires that axe-core, whose script is given, finds nothing serious and nothing critical.
func (p *Page) RequireAccessible(axe string) {
	p.t.Helper()
	p.Do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		// Once a page, because its script is large.
		if loaded, err := chromedp.Evaluate[bool]("!!window.axe")(ctx, t); err != nil || loaded {
			return err
		}
		_, err := cdp.Call(ctx, t, runtime.Evaluate, runtime.EvaluateParams{Expression: axe})
		return err
	}))
	found := Run(p, chromedp.Evaluate[json.RawMessage]("axe.run().then(r => r.violations)", chromedp.EvalAwaitPromise))
	var violations []violation
	require.NoError(p.t, json.Unmarshal(found, &violations))
	var serious []string
	for _, v := range violations {
		lines := []string{fmt.Sprintf("%s (%s): %s", v.ID, v.Impact, v.Help)}
		for _, n := range v.Nodes {
			lines = append(lines, n.HTML, n.Summary)
		}
		text := strings.Join(lines, "\n  ")
		if v.Impact == "serious" || v.Impact == "critical" {
			serious = append(serious, text)
		} else {
			p.t.Logf("not serious: %s", text)
		}
	}
	require.Empty(p.t, serious)
}

// Screenshot returns the window as a PNG file.
func (p *Page) Screenshot() []byte {
	p.t.Helper()
	return Run(p, chromedp.CaptureScreenshot())
}

// Context returns the context of the tab, for actions that have no method here.
func (p *Page) Context() context.Context { return p.ctx }
