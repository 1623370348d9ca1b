package httpgateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"

	"paymentd/core/payment"
)

// maxBodyBytes is far more than any answer of the protocol.
const maxBodyBytes = 64 << 10

// lostError means that there is no complete answer.
type lostError struct {
	mayHaveLeft bool // the request may have reached the gateway
	cause       error
}

func (e *lostError) Error() string {
	if !e.mayHaveLeft {
		return "the request was not sent: " + describeError(e.cause)
	}
	return "no answer: " + describeError(e.cause)
}

func (e *lostError) Unwrap() error { return e.cause }

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

// exchange sends one request to the gateway.
func (g *Gateway) exchange(
	ctx context.Context, method string, u *url.URL, key payment.GatewayKey, body []byte,
) (answer, *lostError) {
	req := (&http.Request{
		Method: method, URL: u, Host: u.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header, 6), Body: http.NoBody,
	}).WithContext(ctx)
	g.addHeader(ctx, req.Header)
	req.Header["Accept"] = mediaType
	req.Header["User-Agent"] = userAgent
	if method == http.MethodGet {
		// A cache must not respond for the gateway (RFC 9111, sections 5.2 and 5.4).
		req.Header["Cache-Control"] = noCache
		req.Header["Pragma"] = noCache
	} else {
		req.Header["Content-Type"] = mediaType
		req.Header[markHeader] = []string{string(key)}
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		req.Body, _ = req.GetBody()
		req.ContentLength = int64(len(body))
	}
	return g.roundTrip(req)
}

// Values of headers, shared by all requests. They must not be changed.
var (
	mediaType = []string{"application/json"}
	userAgent = []string{"paymentd"}
	noCache   = []string{"no-cache"}
)

// roundTrip sends one request over HTTP/1.1, or over HTTP/2 if the gateway negotiates it under TLS.
//
// It calls the transport without an http.Client, because a client would follow redirects, and the
// protocol has no redirects.
func (g *Gateway) roundTrip(req *http.Request) (answer, *lostError) {
	var t writeTracker
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), t.trace()))
	if body := req.GetBody; body != nil {
		// net/http re-sends a POST that has an Idempotency-Key header if a kept connection turns out
		// to be dead. It calls GetBody first, so an error here prevents the second sending.
		req.GetBody = func() (io.ReadCloser, error) {
			if t.mayHaveLeft() {
				return nil, errSentBefore
			}
			return body()
		}
	}
	resp, err := g.transport.RoundTrip(req)
	if err != nil {
		return answer{}, &lostError{mayHaveLeft: t.mayHaveLeft(), cause: err}
	}
	defer func() { _ = resp.Body.Close() }() // its error does not change the answer
	if resp.StatusCode == http.StatusSwitchingProtocols {
		// The body is the raw connection, whose reads do not end with the context.
		return answer{}, &lostError{mayHaveLeft: true, cause: errSwitched}
	}
	a, err := readAnswer(resp)
	if err != nil {
		return answer{}, &lostError{mayHaveLeft: true, cause: err}
	}
	return a, nil
}

// readAll reads a whole body, or one byte more than its maximum. length is its Content-Length,
// or -1. Reading only that many bytes is not enough: over HTTP/2 the end of the stream may follow
// the last byte, and closing the body before it resets the stream, which some servers take for an
// attack.
func readAll(body io.Reader, length int64) ([]byte, error) {
	var read bytes.Buffer
	if 0 <= length && length <= maxBodyBytes {
		read.Grow(int(length) + bytes.MinRead)
	}
	_, err := read.ReadFrom(io.LimitReader(body, maxBodyBytes+1))
	return read.Bytes(), err
}

// readAnswer reads a complete answer.
func readAnswer(resp *http.Response) (answer, error) {
	read, err := readAll(resp.Body, resp.ContentLength)
	if err != nil {
		return answer{}, &truncatedError{status: resp.StatusCode, cause: err}
	}
	a := answer{status: resp.StatusCode, header: resp.Header, body: read, tooLong: len(read) > maxBodyBytes}
	if a.tooLong {
		a.body = read[:maxBodyBytes]
	}
	return a, nil
}
