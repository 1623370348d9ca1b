package webhooks

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"paymentd/core/endpoint"
	"paymentd/internal/egress"
	"paymentd/internal/standardwebhooks"
	"paymentd/ports"
)

var _ ports.Sender = (*Sender)(nil)

const (
	maxHeaderBytes = 16 << 10
	// idleConnections are kept for each receiver, for idleTimeout.
	idleConnections = 4
	idleTimeout     = 30 * time.Second
)

// Options are the settings of a [Sender].
type Options struct {
	// Timeout bounds a dial and a TLS handshake. Attempts are bounded by their contexts.
	Timeout time.Duration
	// Allow are the hosts that are allowed by name.
	Allow egress.Hosts
	// Version is the version of the program, for the User-Agent.
	Version string
	// RootCAs are trusted instead of the system's authorities; nil for the system's.
	RootCAs *x509.CertPool
	// Resolver resolves names; nil for the system's.
	Resolver *net.Resolver
}

// Sender posts events. It is safe for concurrent use.
type Sender struct {
	options   Options
	transport *http.Transport
}

// New returns a sender.
func New(o Options) *Sender {
	return &Sender{options: o, transport: &http.Transport{
		Proxy:                  nil, // a proxy would connect to addresses that are refused here
		DialContext:            egress.Dialer{Timeout: o.Timeout, Allow: o.Allow, Resolver: o.Resolver}.DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    o.Timeout,
		ForceAttemptHTTP2:      true, // the default is off with a custom dialer
		MaxIdleConnsPerHost:    idleConnections,
		MaxIdleConns:           idleConnections * endpoint.MaxEndpoints,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableCompression:     true, // so that the limit of the body bounds the bytes that are read
	}}
}

// Close closes the idle connections.
func (s *Sender) Close() { s.transport.CloseIdleConnections() }

// Send implements ports.Sender.
func (s *Sender) Send(ctx context.Context, to endpoint.Endpoint, d endpoint.Delivery) endpoint.Answer {
	answer, err := s.send(ctx, to, d)
	if err != nil {
		answer.Problem = describe(ctx, err)
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
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(d.Payload))
	if err != nil {
		return endpoint.Answer{}, errors.New("the URL of the endpoint is not valid")
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "paymentd/"+s.options.Version)
	if err := sign(request.Header, to, d); err != nil {
		return endpoint.Answer{}, err
	}
	// Not by an http.Client, because that would follow redirects.
	response, err := s.transport.RoundTrip(request)
	if err != nil {
		return endpoint.Answer{}, err
	}
	defer func() { _ = response.Body.Close() }() // its error does not change the answer
	// The status decides. A body that is not complete in time changes nothing.
	body, _ := io.ReadAll(io.LimitReader(response.Body, endpoint.MaxAnswerBytes))
	return endpoint.Answer{Status: response.StatusCode, Body: string(body)}, nil
}

func sign(h http.Header, to endpoint.Endpoint, d endpoint.Delivery) error {
	var secrets []standardwebhooks.Secret
	for _, text := range to.Secrets() {
		secret, err := standardwebhooks.ParseSecret(text.Reveal())
		if err != nil {
			return errors.New("the secret of the endpoint is damaged: rotate it")
		}
		secrets = append(secrets, secret)
	}
	standardwebhooks.Sign(secrets, h, string(d.Event), time.Now(), d.Payload)
	return nil
}

// describe returns why there is no answer, for an operator.
func describe(ctx context.Context, err error) string {
	refused, isRefused := errors.AsType[*egress.RefusedError](err)
	unresolved, isUnresolved := errors.AsType[*net.DNSError](err)
	timeout, isNet := errors.AsType[net.Error](err)
	switch {
	case isRefused:
		return refused.Error()
	case isUnresolved && unresolved.IsNotFound:
		return fmt.Sprintf("the name %s was not found", unresolved.Name)
	case ctx.Err() != nil, isNet && timeout.Timeout():
		return "no answer in time"
	}
	return err.Error()
}
