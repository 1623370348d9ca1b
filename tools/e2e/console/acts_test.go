package console_test

import (
	"fmt"
	"net/http"
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
