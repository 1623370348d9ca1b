package console_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
	"paymentd/tools/e2e/browser"
)

// operator is a person at the console.
type operator struct {
	*browser.Page

	t       *testing.T
	base    string
	scripts bool // JavaScript is on, which axe-core needs
}

// see requires that the page shows the texts.
func (o *operator) see(texts ...string) {
	o.t.Helper()
	main := o.Text("main")
	for _, text := range texts {
		require.Contains(o.t, main, text)
	}
}

func (o *operator) requireAccessible() {
	o.t.Helper()
	if o.scripts {
		o.RequireAccessible(axe)
	}
}

// press clicks on what the selector finds, and waits for the next page.
func (o *operator) press(selector string) {
	o.t.Helper()
	_, err := chromedp.RunResponse(o.Context(), chromedp.Click(selector))
	require.NoError(o.t, err, selector)
}

func (o *operator) fill(selector, text string) {
	o.t.Helper()
	o.Do(chromedp.SetValue(selector, text))
}

// createKey creates an API key on the page of keys and returns its secret.
func (o *operator) createKey(name, scope string) string {
	o.t.Helper()
	o.Go(o.base + "/console/keys")
	o.fill("#name", name)
	if scope != "read" { // which is chosen already
		o.Do(chromedp.Click("#scope-" + scope))
	}
	o.press(".stack button.main")
	o.see("The key "+name+" was created", "not shown again")
	o.requireAccessible()
	secret := browser.Run(o.Page, chromedp.Value("#secret"))
	apptest.Eventually(o.t, updateSlack, func() error { // the service reads its keys every two seconds
		if answer := apptest.Get(o.t.Context(), o.base, "/payments", "Authorization", "Bearer "+secret); answer.Code != http.StatusOK {
			return fmt.Errorf("the key is not accepted yet: %s", answer)
		}
		return nil
	})
	return secret
}

func (o *operator) signIn(secret string) {
	o.t.Helper()
	o.Go(o.base + "/console/sign-in")
	o.fill("#key", secret)
	o.press("form.stack button.main")
}

// confirm presses the button of an act, reads what will happen, and confirms it.
func (o *operator) confirm(act string, fill func(), texts ...string) {
	o.t.Helper()
	o.press("button[name=act][value=" + act + "]")
	o.see(append(texts, "What will happen")...)
	o.requireAccessible()
	if fill != nil {
		fill()
	}
	o.press("form[action='/console/act'] button.main")
}

// Every act works in a browser, with JavaScript and without it: keys are created and revoked, people sign in and out,
// and payments are looked up, resolved and refunded behind a confirmation. The history names who did it.
func TestActs(t *testing.T) {
	t.Parallel()
	for name, scripts := range map[string]bool{"with JavaScript": true, "without JavaScript": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := sick(t)
			hold(t, p, "order-held", "order-released")
			o := &operator{Page: browser.Open(t, p.URL), t: t, base: p.URL, scripts: scripts}
			if !scripts {
				o.WithoutScripts()
			}
			ada := o.createKey("ada", "admin")
			untilKeysRequired(t, p)

			o.Go(p.URL + "/console/payments/order-stuck")
			o.see("Sign in with an API key")
			o.requireAccessible()
			o.signIn("nothing")
			o.see("unknown or revoked")
			o.signIn(ada)
			require.Contains(t, o.Text("footer"), "Signed in as ada")

			o.Go(p.URL + "/console/waiting?state=unresolved")
			o.Do(chromedp.Click("input[name=ref]"))
			o.confirm("lookup", nil, "order-stuck", "ada")
			o.see("order-stuck")
			o.Go(p.URL + "/console/payments/order-paid")
			o.confirm("refund", func() { o.fill("#amount", "30.00"); o.fill("#reason", "damaged") }, "order-paid")
			o.see("done", "refund", "ada")
			o.Go(p.URL + "/console/payments/order-stuck")
			o.press("form[action*='#book'] button")
			o.see("The gateway's book beside ours", "Nothing was stored")
			o.requireAccessible()

			o.moveHeldMoney()
			o.manageEndpoint()

			reader := o.createKey("bob", "read")
			o.press("form[action='/console/sign-out'] button")
			o.signIn(reader)
			o.Go(p.URL + "/console/payments/order-stuck")
			o.see("Your key may only read")
			require.False(t, browser.Run(o.Page, chromedp.Evaluate[bool]("!!document.querySelector('button[name=act]')")))

			o.signOutAndIn(ada)
			o.revoke("bob")
			o.see("bob")
			o.RequireNoFaults("401", "403", "409", "422")
		})
	}
}

// hold makes payments that hold their money.
func hold(t *testing.T, p *apptest.Process, orders ...string) {
	t.Helper()
	for _, order := range orders {
		answer := apptest.Post(t.Context(), p.URL, fmt.Sprintf(`{"order_id":%q,"amount":"80.00","capture":"manual"}`, order))
		require.Equal(t, http.StatusOK, answer.Code, answer)
	}
}

// moveHeldMoney captures one payment, voids another one, and resolves a third. The queue makes what was requested, so that
// the pages are read again until they show it.
func (o *operator) moveHeldMoney() {
	o.t.Helper()
	o.Go(o.base + "/console/payments/order-held")
	o.confirm("capture", func() { o.fill("#amount", "60.00"); o.fill("#reason", "shipped") }, "order-held", "The rest is released")
	o.eventually("/console/payments/order-held", "60.00 USD", "succeeded")
	o.Go(o.base + "/console/payments/order-released")
	o.confirm("void", func() { o.fill("#reason", "out of stock") }, "order-released", "cannot be undone")
	o.eventually("/console/payments/order-released", "voided")
	o.Go(o.base + "/console/payments/order-stuck")
	o.confirm("resolve", func() { o.fill("#reason", "the statement of the bank") }, "order-stuck", "Your word becomes the outcome")
	o.see("failed", "the statement of the bank", "ada")
}

// eventually reads a page until it shows the texts.
func (o *operator) eventually(path string, texts ...string) {
	o.t.Helper()
	apptest.Eventually(o.t, 2*updateSlack, func() error {
		o.Go(o.base + path)
		for _, text := range texts {
			if main := o.Text("main"); !strings.Contains(main, text) {
				return fmt.Errorf("%s does not show %q yet: %s", path, text, main)
			}
		}
		return nil
	})
}

// manageEndpoint creates an endpoint, rotates its secret, replays its events, and switches it off.
func (o *operator) manageEndpoint() {
	o.t.Helper()
	o.Go(o.base + "/console/endpoints")
	o.fill("#url", "https://hooks.invalid/paymentd")
	o.press("form.stack button.main")
	o.see("was created", "not shown again")
	require.Contains(o.t, browser.Run(o.Page, chromedp.Value("#secret")), "whsec_")
	o.requireAccessible()
	o.press("th a")
	page := browser.Run(o.Page, chromedp.Evaluate[string]("location.pathname"))
	o.see("https://hooks.invalid/paymentd", "No event was stored for this endpoint yet", "endpoint created")
	o.requireAccessible()
	o.confirmEndpoint("rotate", "signed with both secrets")
	o.see("was replaced", "the old one signs as well until")
	o.Go(o.base + page + "/replay?since=2020-01-01T00:00")
	o.press("main form button.main")
	o.see("There is no such event")
	o.requireAccessible()
	o.Go(o.base + page)
	o.confirmEndpoint("disable", "are not stored for it")
	o.see("is switched off", "endpoint rotated", "ada")
	o.Size(360, 740)
	o.RequireNoSidewaysScroll()
	o.requireAccessible()
	o.Go(o.base + "/console/history")
	o.see("endpoint disabled", "active → disabled", "key created", "ada")
	o.RequireNoSidewaysScroll()
	o.requireAccessible()
	o.Size(1280, 900)
}

// confirmEndpoint opens the page of an act on an endpoint, reads what will happen, and confirms it.
func (o *operator) confirmEndpoint(act, text string) {
	o.t.Helper()
	o.press("a.button[href$='/" + act + "']")
	o.see(text, "What will happen", "ada")
	o.requireAccessible()
	o.press("main form button.main")
}

func (o *operator) signOutAndIn(secret string) {
	o.t.Helper()
	o.press("form[action='/console/sign-out'] button")
	o.signIn(secret)
}

func (o *operator) revoke(name string) {
	o.t.Helper()
	o.Go(o.base + "/console/keys")
	o.press("td a[href*='/console/keys/revoke']")
	o.see(name)
	o.requireAccessible()
	o.press("main form button.main")
}

// untilKeysRequired waits until the service has read its first key.
func untilKeysRequired(t *testing.T, p *apptest.Process) {
	t.Helper()
	apptest.Eventually(t, updateSlack, func() error {
		if answer := apptest.Get(t.Context(), p.URL, "/payments"); answer.Code != http.StatusUnauthorized {
			return fmt.Errorf("no key is required yet: %s", answer)
		}
		return nil
	})
}
