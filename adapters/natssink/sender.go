package natssink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"paymentd/core/endpoint"
	"paymentd/internal/egress"
	"paymentd/internal/standardwebhooks"
	"paymentd/ports"
)

var _ ports.Sender = (*Sender)(nil)

// Options are the settings of a [Sender].
type Options struct {
	// Timeout bounds a connect, if the context of an attempt does not end earlier.
	Timeout time.Duration
	// Allow are the hosts that are allowed by name.
	Allow egress.Hosts
	// CredentialsFile has the credentials for every server: a file of user credentials (JWT and NKey, as nsc writes it), or
	// one line with user:password or with a token. It is read for each connection. Empty for none.
	CredentialsFile string
	// CAFile has the PEM certificates that are trusted instead of the system's authorities; empty for the system's.
	CAFile string
	// Resolver resolves names; nil for the system's.
	Resolver *net.Resolver
	// Version is the version of the program, for the name of the connection.
	Version string
}

// Sender publishes events. It is safe for concurrent use.
type Sender struct {
	options Options
	pool    pool
}

// New returns a sender.
func New(o Options) *Sender { return &Sender{options: o} }

// Close closes the connections.
func (s *Sender) Close() { s.pool.close() }

// Send implements ports.Sender. The acknowledgement of a stream has the status 200. An error of JetStream has the
// status that JetStream gives it, which are those of HTTP.
func (s *Sender) Send(ctx context.Context, to endpoint.Endpoint, d endpoint.Delivery) endpoint.Answer {
	answer, err := s.send(ctx, to, d)
	if err != nil {
		answer = describe(ctx, err)
	}
	return answer.Sanitized()
}

func (s *Sender) send(ctx context.Context, to endpoint.Endpoint, d endpoint.Delivery) (endpoint.Answer, error) {
	u, err := url.Parse(to.URL)
	if err != nil {
		return endpoint.Answer{}, errors.New("the URL of the endpoint is not valid")
	}
	if err := s.options.Allow.Check(u); err != nil {
		return endpoint.Answer{}, err
	}
	message := &nats.Msg{Subject: Subject(u, string(d.Type)), Data: d.Payload, Header: nats.Header{}}
	if err := sign(message.Header, to, d); err != nil {
		return endpoint.Answer{}, err
	}
	server, err := s.pool.get(ctx, to.ID, serverOf(u), s.connect)
	if err != nil {
		return endpoint.Answer{}, err
	}
	stream, err := jetstream.New(server)
	if err != nil {
		return endpoint.Answer{}, err
	}
	// Without retries: the outbox repeats what was not acknowledged.
	ack, err := stream.PublishMsg(ctx, message, jetstream.WithMsgID(string(d.Event)), jetstream.WithRetryAttempts(0))
	if err != nil {
		return endpoint.Answer{}, err
	}
	body := fmt.Sprintf("stream %s, sequence %d", ack.Stream, ack.Sequence)
	if ack.Duplicate {
		body += ", which it had already"
	}
	return endpoint.Answer{Status: http.StatusOK, Body: body}, nil
}

// Subject returns the subject of a type of event: the path of the endpoint's URL, and the type.
func Subject(u *url.URL, eventType string) string {
	return strings.TrimPrefix(u.Path, "/") + "." + eventType
}

// serverOf returns the address of the server without the subject.
func serverOf(u *url.URL) string { return (&url.URL{Scheme: u.Scheme, Host: u.Host}).String() }

// sign adds the headers of Standard Webhooks, so that a consumer can verify who has published the event. The map is used
// as it is, because names of NATS headers are case-sensitive and are written as the HTTP package does.
func sign(h nats.Header, to endpoint.Endpoint, d endpoint.Delivery) error {
	var secrets []standardwebhooks.Secret
	for _, text := range to.Secrets() {
		secret, err := standardwebhooks.ParseSecret(text.Reveal())
		if err != nil {
			return errors.New("the secret of the endpoint is damaged: rotate it")
		}
		secrets = append(secrets, secret)
	}
	standardwebhooks.Sign(secrets, http.Header(h), string(d.Event), time.Now(), d.Payload)
	return nil
}

// describe returns why the event was not acknowledged, for an operator.
func describe(ctx context.Context, err error) endpoint.Answer {
	api, isAPI := errors.AsType[*jetstream.APIError](err)
	refused, isRefused := errors.AsType[*egress.RefusedError](err)
	switch {
	case isAPI && api.Code > 0:
		return endpoint.Answer{Status: api.Code, Body: api.Description}
	case isRefused:
		return endpoint.Answer{Problem: refused.Error()}
	case errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, nats.ErrNoResponders):
		return endpoint.Answer{Problem: "no stream receives the subject: create a JetStream stream with it"}
	case ctx.Err() != nil, errors.Is(err, nats.ErrTimeout):
		return endpoint.Answer{Problem: "no acknowledgement in time"}
	}
	return endpoint.Answer{Problem: err.Error()}
}
