package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxAnswerBytes bounds an answer: a page of 200 payments has about 100 KiB.
const maxAnswerBytes = 8 << 20

// Client is a client of one service. It is safe for concurrent use.
type Client struct {
	base     string
	key      string
	http     *http.Client
	shortest time.Duration // the first wait; each is twice the one before …
	longest  time.Duration // … up to this
}

// Option changes a default of [New].
type Option func(*Client)

// WithAPIKey sends the key with each request.
func WithAPIKey(key string) Option { return func(c *Client) { c.key = key } }

// WithHTTPClient sends requests with h instead of a client of this package. Its timeout should
// exceed the time that the service may take for a payment.
func WithHTTPClient(h *http.Client) Option { return func(c *Client) { c.http = h } }

// WithBackoff sets the waits between retries: shortest at first, then twice as long each time, up
// to longest. By default from 250 ms to 10 s. A longer Retry-After of the service takes precedence.
func WithBackoff(shortest, longest time.Duration) Option {
	return func(c *Client) { c.shortest, c.longest = shortest, longest }
}

// New returns a client of the service at the base URL, such as http://localhost:3000.
func New(baseURL string, options ...Option) (*Client, error) {
	base, err := url.Parse(baseURL)
	if err != nil {
		return nil, fmt.Errorf("parse the service's address: %w", err)
	}
	if base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.RawQuery != "" {
		return nil, fmt.Errorf("the service's address must look like http://localhost:3000, and is %q", baseURL)
	}
	c := &Client{
		base: strings.TrimSuffix(base.String(), "/"), http: &http.Client{},
		shortest: 250 * time.Millisecond, longest: 10 * time.Second,
	}
	for _, option := range options {
		option(c)
	}
	if c.shortest <= 0 || c.longest < c.shortest {
		return nil, fmt.Errorf("a backoff from %v to %v is not valid; the first must be above zero, and not above the second", c.shortest, c.longest)
	}
	return c, nil
}

// reply is a complete response of the service.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// decode reads the body as JSON.
func (r reply) decode(into any) error {
	if err := json.Unmarshal(r.body, into); err != nil {
		return fmt.Errorf("read the service's answer: %w", err)
	}
	return nil
}

// fault is an error of the service.
type fault struct {
	sentence string
	code     string // of the gateway
	kind     string // the type of the problem
	state    State  // of the payment, if it is the reason
}

// The types of problems that the client distinguishes.
const (
	problemNoPath          = "urn:paymentd:problem:no-such-path"
	problemRefundMismatch  = "urn:paymentd:problem:refund-mismatch"
	problemCaptureMismatch = "urn:paymentd:problem:capture-mismatch"
	problemVoided          = "urn:paymentd:problem:payment-voided"
)

// serviceError returns the error in a response of the service, or false if the response comes from
// an intermediary. Errors are problem details (RFC 9457), or the plain ones of a service that was not asked for
// those.
func (r reply) serviceError() (fault, bool) {
	var body struct {
		Type, Detail, Code, Error string
		State                     State
	}
	if json.Unmarshal(r.body, &body) != nil {
		return fault{}, false
	}
	f := fault{sentence: cmp.Or(body.Detail, body.Error), code: body.Code, kind: body.Type, state: body.State}
	return f, f.sentence != ""
}

// replayed reports whether the service says that the request moved no money.
func (r reply) replayed() bool { return r.header.Get("Idempotent-Replayed") == "true" }

// temporary reports whether a retry may get a different response.
func (r reply) temporary() bool {
	switch r.status {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	case http.StatusBadGateway:
		_, ours := r.serviceError()
		return !ours
	}
	return false
}

// sendUntilFinal sends a request until its response is not temporary. It returns an error only if
// ctx is cancelled.
func (c *Client) sendUntilFinal(ctx context.Context, method, path string, body []byte) (reply, error) {
	waits := c.waits()
	for {
		answer, err := c.send(ctx, method, path, body)
		if err == nil && !answer.temporary() {
			return answer, nil
		}
		if err == nil {
			err = requestError(answer)
		}
		if waited := waits.wait(ctx, answer.header); waited != nil {
			return reply{}, errors.Join(waited, err)
		}
	}
}

func (c *Client) send(ctx context.Context, method, path string, body []byte) (reply, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	request.Header.Set("Accept", "application/problem+json, application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.key != "" {
		request.Header.Set("Authorization", "Bearer "+c.key)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
	if err != nil {
		return reply{}, fmt.Errorf("read the service's answer: %w", err)
	}
	return reply{status: response.StatusCode, header: response.Header, body: read}, nil
}

// paymentPath percent-encodes also the ids "." and "..", which would otherwise be path segments.
func paymentPath(orderID string) string {
	escaped := url.PathEscape(orderID)
	if orderID == "." || orderID == ".." {
		escaped = strings.ReplaceAll(orderID, ".", "%2E")
	}
	return "/payments/" + escaped
}
