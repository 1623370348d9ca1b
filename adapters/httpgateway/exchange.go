package httpgateway

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"

	"paymentd/core/payment"
)

// maxBodyBytes is far above any answer of the protocol.
const maxBodyBytes = 64 << 10

// lostError says that there is no answer, or not all of one.
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

// brokenOffError says that the header of an answer came, and not all of its body.
type truncatedError struct {
	status int
	cause  error
}

func (e *truncatedError) Error() string {
	return "the answer " + strconv.Itoa(e.status) + " broke off: " + describeError(e.cause)
}

func (e *truncatedError) Unwrap() error { return e.cause }

// exchange asks the gateway once.
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
		// A cache in between must not answer in the gateway's place (RFC 9111, sections 5.2 and 5.4).
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

// Values of headers, which nobody changes.
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
	a, err := readAnswer(resp)
	if err != nil {
		return answer{}, &lostError{mayHaveLeft: true, cause: err}
	}
	return a, nil
}

// readAll reads a body to its end, up to one byte more than it may have. length is what the answer
// says of it, and -1 where it says nothing. It is not enough to read as many bytes: over HTTP/2 the
// end may come after the last of them, and who leaves before it resets the stream, which a server
// that bears few resets takes for an attack.
func readAll(body io.Reader, length int64) ([]byte, error) {
	var read bytes.Buffer
	if 0 <= length && length <= maxBodyBytes {
		read.Grow(int(length) + bytes.MinRead)
	}
	_, err := read.ReadFrom(io.LimitReader(body, maxBodyBytes+1))
	return read.Bytes(), err
}

// readAnswer reads an answer to its end.
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
