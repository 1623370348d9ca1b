package gateways

import (
	"context"
	"fmt"
	"net/http"

	"paymentd/adapters/stripegateway"
	"paymentd/core/payment"
	"paymentd/internal/doctor"
	"paymentd/internal/filewatch"
)

var (
	secretKeyField = Field{
		Name: "secret_key_file", Required: true, Allowed: "a file with one line, which begins with sk_ or rk_",
		Help: "File of the secret or restricted API key. Reread when it changes; a key of the other mode (test, live) is not used.",
		Set:  secret(func(o *Options) *string { return &o.SecretFile }),
	}
	accountField = Field{
		Name: "account", Allowed: "an id of an account, which begins with acct_",
		Help: "Account that the key must belong to; `paymentd doctor` compares them.",
		Set:  text(func(o *Options) *string { return &o.Account }),
	}
	returnURLField = Field{
		Name: "return_url", Allowed: "an https:// address; http:// for a loopback host only", Required: true,
		Help: "Page to which Stripe sends a customer who had to act. Stored with each key.",
		Set: func(o *Options, text string) error {
			if err := payment.CheckRedirectURL(text); err != nil {
				return fmt.Errorf("cannot be used: %w", err)
			}
			o.ReturnURL = text
			return nil
		},
	}
	stripeURLField = Field{
		Name: "url", Allowed: "an https:// address without a path",
		Help: "Address of the API, for tests: http:// for a loopback host only. `" + stripegateway.DefaultBaseURL + "` by default.",
		Set:  text(func(o *Options) *string { return &o.Address }),
	}
)

type stripeGateway struct {
	*stripegateway.Gateway

	receives bool // events
}

func openStripe(o Options) (Gateway, error) {
	key, err := filewatch.Open(o.files(), bearer, o.SecretFile)
	if err != nil {
		return nil, err
	}
	pool, err := authorities(o.CAFile)
	if err != nil {
		return nil, err
	}
	options := stripegateway.Options{
		SecretKey: key.Get, BaseURL: o.Address, Account: o.Account, ReturnURL: o.ReturnURL, ID: o.ID, Timeout: o.Timeout,
		Connections: o.Connections, RootCAs: pool, Header: o.Header, KeyLifetime: o.KeyLifetime, LookupLag: o.LookupLag,
	}
	secrets, err := watchSecrets(o, secretLines)
	if err != nil {
		return nil, err
	}
	if secrets != nil {
		options.WebhookSecrets = secrets.Get
	}
	g, err := stripegateway.New(options)
	if err != nil {
		return nil, err
	}
	return stripeGateway{g, secrets != nil}, nil
}

// Doctor checks the key, its permissions and its account.
func (g stripeGateway) Doctor(ctx context.Context, away doctor.Level) doctor.Finding {
	p := g.Probe(ctx)
	return credentialsFinding("Stripe", p.Problem, p.Arrived, p.Status, away)
}

// Close closes the idle connections.
func (g stripeGateway) Close() error {
	g.Gateway.Close()
	return nil
}

// credentialsFinding is the finding of a check of credentials at a vendor. problem is empty if they can be used.
func credentialsFinding(vendor, problem string, arrived bool, status int, away doctor.Level) doctor.Finding {
	if problem == "" {
		return doctor.Good(check, vendor+" answers, and accepts the credentials")
	}
	level := doctor.Fail
	if !arrived || status >= http.StatusInternalServerError || status == http.StatusTooManyRequests {
		level = away // may be temporary
	}
	return doctor.Of(check, problem, false, level,
		"Check the credentials of the gateway in the gateways file, their permissions, and that this machine can reach "+vendor+
			": nothing can be charged or looked up.")
}
