package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"paymentd/client/internal/wire"
	"paymentd/internal/standardwebhooks"
)

// Event is an event that the service posts to a webhook endpoint.
type Event = wire.WebhookEvent

// The errors of [VerifyWebhook]. Answer 400 to a request with either.
var (
	// ErrWebhookUnsigned: the request has no signature with one of the secrets: it is forged, or of another endpoint.
	ErrWebhookUnsigned = errors.New("the webhook is not signed with a secret of this endpoint")
	// ErrWebhookTime: the signature is older, or newer, than five minutes.
	ErrWebhookTime = errors.New("the signature of the webhook is not of the last five minutes: check the clock of this machine")
)

// MaxEventBytes is more than an event has. Read no more than that of a request.
const MaxEventBytes = 64 << 10

// VerifyWebhook verifies the signature of a webhook over its raw body, as Standard Webhooks describes, and returns its
// event. secrets are those of the endpoint: one, or two while a rotation overlaps; the service prints a secret when it
// is created. now is time.Now().
//
// The error is [ErrWebhookUnsigned] or [ErrWebhookTime]; other errors say what is wrong with a secret, or with a body
// whose signature is valid.
func VerifyWebhook(header http.Header, body []byte, now time.Time, secrets ...string) (Event, error) {
	parsed := make([]standardwebhooks.Secret, len(secrets))
	for i, text := range secrets {
		secret, err := standardwebhooks.ParseSecret(text)
		if err != nil {
			return Event{}, err
		}
		parsed[i] = secret
	}
	switch _, err := standardwebhooks.Verify(parsed, header, body, now); {
	case errors.Is(err, standardwebhooks.ErrTime):
		return Event{}, ErrWebhookTime
	case err != nil:
		return Event{}, ErrWebhookUnsigned
	}
	var e Event
	if err := json.Unmarshal(body, &e); err != nil {
		return Event{}, fmt.Errorf("read the event: %w", err)
	}
	return e, nil
}
