package httpcall

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Options are the settings of a [Client].
type Options struct {
	// Timeout bounds a dial and a TLS handshake. Calls are bounded by their contexts.
	Timeout time.Duration
	// Connections is how many idle connections are kept. It does not limit the calls; the caller does.
	Connections int
	// RootCAs are trusted instead of the system's authorities; nil for the system's.
	RootCAs *x509.CertPool
	// ClientCertificate returns the certificate for a server that asks for one, at each new connection; nil for
	// none.
	ClientCertificate func() *tls.Certificate
	// Dial opens connections in place of TCP, for tests in virtual time; nil for TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Client sends requests. It is safe for concurrent use.
type Client struct {
	transport *http.Transport
}

// New returns a client. It ignores the proxy environment variables (HTTPS_PROXY), because a variable
// meant for downloads must not change the route of money, and errors of a proxy would be taken for the
// server's.
func New(o Options) *Client { return &Client{transport: newTransport(o)} }

// Request is one request. With a body, it is sent at most once. Redirects are not followed.
type Request struct {
	Method string
	URL    *url.URL
	Header http.Header
	// Body is the body; nil for none.
	Body []byte
	// MaxAnswerBytes bounds the body of the answer.
	MaxAnswerBytes int
	// Secrets are values of the header that must not come back: see [Client.Do].
	Secrets []string
}

// Answer is a complete HTTP response. Whether the server itself wrote it, or an intermediary, is for
// the caller to decide.
type Answer struct {
	Status  int
	Header  http.Header
	Body    []byte
	TooLong bool // the body has more than the request's MaxAnswerBytes, and is truncated
}

// LostError means that there is no complete answer.
type LostError struct {
	MayHaveLeft bool // the request may have reached the server
	cause       error
}

// Error returns a message for operators, without Go's own error text.
func (e *LostError) Error() string {
	if !e.MayHaveLeft {
		return "the request was not sent: " + describeError(e.cause)
	}
	return "no answer: " + describeError(e.cause)
}

// Unwrap returns the cause.
func (e *LostError) Unwrap() error { return e.cause }

// truncatedError means that the header of an answer arrived, but not all of its body.
type truncatedError struct {
	status int
	cause  error
}

func (e *truncatedError) Error() string {
	return "the answer " + strconv.Itoa(e.status) + " was truncated: " + describeError(e.cause)
}

func (e *truncatedError) Unwrap() error { return e.cause }

// errSwitched: no request asks for another protocol, so an answer that switches to one is no answer.
var errSwitched = errors.New("the answer 101 switches to another protocol")

// Do sends the request over HTTP/1.1, or over HTTP/2 if the server negotiates it under TLS.
//
// It calls the transport without an http.Client, because a client would follow redirects.
//
// A server that repeats the request's token, or one of its Secrets, in its answer would put it into logs,
// rows and answers to clients. Each is replaced in the body before the answer is returned.
func (c *Client) Do(ctx context.Context, r Request) (Answer, *LostError) {
	var t writeTracker
	req := (&http.Request{
		Method: r.Method, URL: r.URL, Host: r.URL.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: r.Header, Body: http.NoBody,
	}).WithContext(httptrace.WithClientTrace(ctx, t.trace()))
	if r.Body != nil {
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(r.Body)), int64(len(r.Body))
		// net/http re-sends a POST that has an Idempotency-Key header if a kept connection turns out
		// to be dead. It calls GetBody first, so an error here prevents the second sending.
		req.GetBody = func() (io.ReadCloser, error) {
			if t.mayHaveLeft() {
				return nil, errSentBefore
			}
			return io.NopCloser(bytes.NewReader(r.Body)), nil
		}
	}
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return Answer{}, &LostError{MayHaveLeft: t.mayHaveLeft(), cause: err}
	}
	defer func() { _ = resp.Body.Close() }() // its error does not change the answer
	if resp.StatusCode == http.StatusSwitchingProtocols {
		// The body is the raw connection, whose reads do not end with the context.
		return Answer{}, &LostError{MayHaveLeft: true, cause: errSwitched}
	}
	a, err := readAnswer(resp, r.MaxAnswerBytes)
	if err != nil {
		return Answer{}, &LostError{MayHaveLeft: true, cause: err}
	}
	a.Body = redact(a.Body, r)
	return a, nil
}

// minSecretBytes is the shortest value that is replaced. A shorter one, such as the number of a merchant, is no
// secret, and may stand in an answer by chance.
const minSecretBytes = 8

// redact replaces the request's secrets in the body of its answer.
func redact(body []byte, r Request) []byte {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	for _, secret := range append([]string{token}, r.Secrets...) {
		if len(secret) >= minSecretBytes && bytes.Contains(body, []byte(secret)) {
			body = bytes.ReplaceAll(body, []byte(secret), []byte("[secret]"))
		}
	}
	return body
}

// Close closes the idle connections. Calls in flight are not interrupted.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// WithTimeout bounds a call by the timeout, unless its deadline is earlier.
func WithTimeout(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if deadline, bounded := ctx.Deadline(); bounded && time.Until(deadline) <= timeout {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, timeout)
}

// readAll reads a whole body, or one byte more than its maximum. length is its Content-Length,
// or -1. Reading only that many bytes is not enough: over HTTP/2 the end of the stream may follow
// the last byte, and closing the body before it resets the stream, which some servers take for an
// attack.
func readAll(body io.Reader, length int64, most int) ([]byte, error) {
	var read bytes.Buffer
	if 0 <= length && length <= int64(most) {
		read.Grow(int(length) + bytes.MinRead)
	}
	_, err := read.ReadFrom(io.LimitReader(body, int64(most)+1))
	return read.Bytes(), err
}

// readAnswer reads a complete answer.
func readAnswer(resp *http.Response, most int) (Answer, error) {
	read, err := readAll(resp.Body, resp.ContentLength, most)
	if err != nil {
		return Answer{}, &truncatedError{status: resp.StatusCode, cause: err}
	}
	a := Answer{Status: resp.StatusCode, Header: resp.Header, Body: read, TooLong: len(read) > most}
	if a.TooLong {
		a.Body = read[:most]
	}
	return a, nil
}
