package stripegateway

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"

	"github.com/stripe/stripe-go/v85"
)

// Probe is the result of a check of the credentials, without a charge.
type Probe struct {
	// Arrived means that there was an answer, from Stripe or an intermediary.
	Arrived bool
	// Marked means that Stripe itself answered.
	Marked bool
	// Status is the HTTP status of the last answer; 0 if there was none.
	Status int
	// Account is the account of the secret key; empty if the key may not read it, as a restricted key.
	Account string
	// Problem says what is wrong, for an operator; empty if the gateway can be used.
	Problem string
}

// Probe checks the secret key, the mark, the permission to read PaymentIntents, and the account. It reads a
// PaymentIntent that does not exist, and charges nothing.
func (g *Gateway) Probe(ctx context.Context) Probe {
	ctx, cancel := g.withTimeout(ctx)
	defer cancel()
	a, lost := g.get(ctx, intentsPath+"/pi_doctor"+rand.Text(), nil)
	if lost != nil {
		return Probe{Problem: lost.message}
	}
	p := Probe{Arrived: true, Status: a.Status, Marked: a.read("payment_intent")}
	switch f := a.failure(); {
	case !p.Marked:
		p.Problem = a.unmarkedRead()
	case a.Status != http.StatusNotFound || f.code != string(stripe.ErrorCodeResourceMissing):
		p.Problem = a.describe()
	}
	if p.Problem == "" {
		p.Problem = g.probeList(ctx)
	}
	if p.Problem == "" {
		p.Account, p.Problem = g.probeAccount(ctx)
	}
	return p
}

// probeList checks that PaymentIntents can be listed, which a lookup needs.
func (g *Gateway) probeList(ctx context.Context) (problem string) {
	if _, err := g.page(ctx, intentList, url.Values{"limit": {"1"}}); err != nil {
		return "PaymentIntents cannot be listed: " + err.Error()
	}
	return ""
}

// probeAccount compares the account of the secret key with the configured one.
func (g *Gateway) probeAccount(ctx context.Context) (account, problem string) {
	a, lost := g.get(ctx, "v1/account", nil)
	switch {
	case lost != nil:
		return "", lost.message
	case a.read("account") && a.Status == http.StatusOK:
		account = a.body.text("id")
	case g.options.Account != "":
		return "", "the account of the secret key cannot be read: " + a.describe()
	}
	if want := g.options.Account; want != "" && account != want {
		return account, fmt.Sprintf("the secret key is of the account %s, but %s is configured", account, want)
	}
	return account, ""
}
