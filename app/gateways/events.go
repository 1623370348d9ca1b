package gateways

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"paymentd/adapters/httpapi"
	"paymentd/adapters/httpgateway"
	"paymentd/adapters/squaregateway"
	"paymentd/adapters/stripegateway"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/internal/filewatch"
	"paymentd/internal/standardwebhooks"
)

// maxWebhookSecrets bounds the secrets of a gateway: two while one is replaced by another.
const maxWebhookSecrets = 2

var (
	webhookSecretField = webhookSecretFieldOf("a file of one or two lines, which begin with whsec_",
		"File of the secrets that sign the events of the gateway: two while one is replaced. Reread when it changes. Without it, no event is accepted.",
		CheckWebhookSecretFile)
	stripeWebhookSecretField = webhookSecretFieldOf("a file of one or two lines, which begin with whsec_",
		"File of the signing secrets of the webhook endpoint: two while one is replaced. Reread when it changes. Without it, no event is accepted.",
		checkSecretLines)
	squareWebhookSecretField = webhookSecretFieldOf("a file of one or two lines",
		"File of the signature key of the webhook subscription: two while one is replaced. Reread when it changes. Without it, no event is accepted.",
		checkSecretLines)
	notificationURLField = Field{
		Name: "notification_url", Allowed: "an https:// address",
		Help: "Notification URL of the webhook subscription, byte for byte as in Square's console, because the signature covers it.",
		Set: func(o *Options, text string) error {
			u, err := url.Parse(text)
			if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
				return errors.New("must be an https:// address, such as https://pay.example/gateways/square/events")
			}
			o.NotificationURL = text
			return nil
		},
	}
)

func webhookSecretFieldOf(allowed, help string, check func(path string) error) Field {
	return Field{
		Name: "webhook_secret_file", Allowed: allowed, Help: help,
		Set: func(o *Options, path string) error {
			o.WebhookSecretFile = path
			return check(path)
		},
	}
}

// CheckWebhookSecretFile checks the file of the secrets of a gateway that speaks the gateway protocol. The
// error continues the name of a setting.
func CheckWebhookSecretFile(path string) error {
	return readable(path, func(content []byte) error {
		_, err := standardSecrets([][]byte{content})
		return err
	})
}

// ReadWebhookSecret returns the secret that signs new events: the last one of a file that
// [CheckWebhookSecretFile] accepts.
func ReadWebhookSecret(path string) (standardwebhooks.Secret, error) {
	content, err := filewatch.Read(path)
	if err != nil {
		return nil, err
	}
	all, err := standardSecrets([][]byte{content})
	if err != nil {
		return nil, err
	}
	return all[len(all)-1], nil
}

func checkSecretLines(path string) error {
	return readable(path, func(content []byte) error {
		_, err := secretLines([][]byte{content})
		return err
	})
}

// secretLines parses a file of secrets, one a line.
func secretLines(contents [][]byte) ([]string, error) {
	all := strings.Fields(string(contents[0]))
	if len(all) == 0 || len(all) > maxWebhookSecrets {
		return nil, errors.New("it must hold one or two signing secrets, one a line")
	}
	return all, nil
}

// standardSecrets parses a file of secrets of Standard Webhooks.
func standardSecrets(contents [][]byte) ([]standardwebhooks.Secret, error) {
	lines, err := secretLines(contents)
	if err != nil {
		return nil, err
	}
	var all []standardwebhooks.Secret
	for i, line := range lines {
		secret, err := standardwebhooks.ParseSecret(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		all = append(all, secret)
	}
	return all, nil
}

// event returns an event for the core. It is ignored if it says nothing about a charge with our metadata: an
// order and a gateway key.
func event(g interface{ Capabilities() payment.Capabilities }, id, kind, order string, key payment.GatewayKey, says payment.LookupResult) httpapi.Event {
	orderID, err := payment.ParseOrderID(order)
	e := httpapi.Event{GatewayEvent: core.GatewayEvent{
		ID: id, Kind: kind, Gateway: g.Capabilities().Gateway, OrderID: orderID, Key: key, Says: says,
	}}
	if says == "" || err != nil || !key.Valid() {
		e.Skipped = httpapi.EventIgnored
	}
	return e
}

// Events returns nil, because the sandbox in the process sends none.
func (g sandboxGateway) Events() httpapi.EventReader { return nil }

// Events reads events of the gateway protocol.
func (g httpGateway) Events() httpapi.EventReader {
	if g.secrets == nil {
		return nil
	}
	return func(header http.Header, body []byte, now time.Time) (httpapi.Event, error) {
		e, err := httpgateway.ReadEvent(g.secrets.Get(), header, body, now)
		if err != nil {
			return httpapi.Event{}, err
		}
		read := event(g, e.ID, e.Type, e.OrderID, e.Key, e.Says)
		read.Operation = e.Operation
		return read, nil
	}
}

// Events reads Stripe's events.
func (g stripeGateway) Events() httpapi.EventReader {
	if !g.receives {
		return nil
	}
	return func(header http.Header, body []byte, now time.Time) (httpapi.Event, error) {
		e, err := g.Event(body, header.Get(stripegateway.SignatureHeader), now)
		if err != nil {
			return httpapi.Event{}, err
		}
		read := event(g, e.ID, e.Kind, string(e.OrderID), e.Key, e.Says())
		read.Operation = e.Operation
		if !e.Ours {
			read.Skipped = httpapi.EventOtherAccount
		}
		return read, nil
	}
}

// Events reads Square's events. Square signs no time, so that an old event can be sent again; it only leads to
// another lookup.
func (g squareGateway) Events() httpapi.EventReader {
	if g.keys == nil {
		return nil
	}
	return func(header http.Header, body []byte, _ time.Time) (httpapi.Event, error) {
		var e squaregateway.Event
		err := squaregateway.ErrSignature
		for _, key := range g.keys.Get() {
			e, err = squaregateway.Webhook{SignatureKey: key, NotificationURL: g.notificationURL}.Event(header, body)
			if !errors.Is(err, squaregateway.ErrSignature) {
				break
			}
		}
		if err != nil {
			return httpapi.Event{}, err
		}
		read := event(g, e.ID, e.Type, e.OrderID, e.Key, e.Says())
		read.Operation = e.Operation
		if !g.Ours(e) {
			read.Skipped = httpapi.EventOtherAccount
		}
		return read, nil
	}
}

// watchSecrets opens the file of webhook secrets; nil without one.
func watchSecrets[T any](o Options, parse func([][]byte) (T, error)) (*filewatch.Value[T], error) {
	if o.WebhookSecretFile == "" {
		return nil, nil //nolint:nilnil // nil means that no event is accepted
	}
	return filewatch.Open(o.files(), parse, o.WebhookSecretFile)
}
