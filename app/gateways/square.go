package gateways

import (
	"cmp"
	"context"
	"errors"

	"paymentd/adapters/squaregateway"
	"paymentd/core/payment"
	"paymentd/internal/doctor"
	"paymentd/internal/filewatch"
)

var (
	environmentField = Field{
		Name: "environment", Required: true, Allowed: "sandbox or production", Help: "Environment of Square. Its sandbox moves no money.",
		Set: text(func(o *Options) *string { return &o.Environment }),
	}
	locationField = Field{
		Name: "location", Required: true, Allowed: "the id of a location", Help: "Location that takes the payments.",
		Set: text(func(o *Options) *string { return &o.Location }),
	}
	accessTokenField = Field{
		Name: "access_token_file", Required: true, Allowed: "a file with one line, a token",
		Help: "File of the access token. Reread when it changes.",
		Set:  secret(func(o *Options) *string { return &o.SecretFile }),
	}
	versionField = Field{
		Name: "version", Allowed: "a date", Help: "Version of the API. `" + squaregateway.DefaultVersion + "` by default.",
		Set: text(func(o *Options) *string { return &o.Version }),
	}
	squareURLField = Field{
		Name: "url", Allowed: "an https:// address", Help: "Address of the API, for tests. That of the environment by default.",
		Set: text(func(o *Options) *string { return &o.Address }),
	}
)

type squareGateway struct {
	*squaregateway.Gateway

	id              payment.GatewayID
	keys            *filewatch.Value[[]string] // of the webhook subscription; nil if no event is accepted
	notificationURL string
}

func openSquare(o Options) (Gateway, error) {
	token, err := filewatch.Open(o.files(), bearer, o.SecretFile)
	if err != nil {
		return nil, err
	}
	pool, err := authorities(o.CAFile)
	if err != nil {
		return nil, err
	}
	keys, err := watchSecrets(o, secretLines)
	switch {
	case err != nil:
		return nil, err
	case (keys == nil) != (o.NotificationURL == ""):
		return nil, errors.New("webhook_secret_file and notification_url go together")
	}
	g, err := squaregateway.New(squaregateway.Options{
		Environment: squaregateway.Environment(o.Environment), LocationID: o.Location, Token: token.Get, Timeout: o.Timeout,
		BaseURL: o.Address, Version: o.Version, Connections: o.Connections, KeyLifetime: o.KeyLifetime, LookupLag: o.LookupLag,
		RootCAs: pool, Header: o.Header,
	})
	if err != nil {
		return nil, err
	}
	return squareGateway{g, o.ID, keys, o.NotificationURL}, nil
}

// Capabilities replaces the identity by that of the settings.
func (g squareGateway) Capabilities() payment.Capabilities {
	c := g.Gateway.Capabilities()
	c.Gateway = cmp.Or(g.id, c.Gateway)
	return c
}

// Doctor checks the token, its permissions and the location.
func (g squareGateway) Doctor(ctx context.Context, away doctor.Level) doctor.Finding {
	p := g.Probe(ctx)
	return credentialsFinding("Square", p.Message, p.Arrived, p.Status, away)
}

// Close closes the idle connections.
func (g squareGateway) Close() error {
	g.Gateway.Close()
	return nil
}
