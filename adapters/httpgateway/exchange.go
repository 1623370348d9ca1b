package httpgateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"

	"paymentd/core/payment"
)

// maxBodyBytes is far above any answer of the protocol.
const maxBodyBytes = 64 << 10

// answer is an answer of the gateway that arrived whole.
type answer struct {
	status  int
	header  http.Header
	body    []byte
	tooLong bool // the body has more than maxBodyBytes, and is cut
}

// lostError says that there is no answer, or not all of one.
type lostError struct {
	mayHaveLeft bool // the request may have reached the gateway
	cause       error
}

func (e *lostError) Error() string {
	cause := e.cause.Error()
	switch {
	case errors.Is(e.cause, context.DeadlineExceeded):
		cause = "the time was up"
	case errors.Is(e.cause, context.Canceled):
		cause = "the call was cancelled"
	}
	if !e.mayHaveLeft {
		return "the request was not sent: " + cause
	}
	return "no answer: " + cause
}

func (e *lostError) Unwrap() error { return e.cause }

// exchange sends one request, once, and reads the answer until ctx ends.
//
// It calls the transport without an http.Client, which would follow redirects: that a
// charge is to be had elsewhere is an answer that the protocol does not know.
func (g *Gateway) exchange(
	ctx context.Context, method, url string, key payment.GatewayKey, body []byte,
) (answer, *lostError) {
	var s sending
	req, err := http.NewRequestWithContext(
		httptrace.WithClientTrace(ctx, s.trace()), method, url, bytes.NewReader(body))
	if err != nil {
		return answer{}, &lostError{cause: err}
	}
	g.addHeader(ctx, req.Header)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "paymentd")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", string(key))
		// net/http takes a POST with this header for one that it may send again by itself,
		// and asks here for the body.
		req.GetBody = func() (io.ReadCloser, error) {
			if s.mayHaveLeft() {
				return nil, errSentBefore
			}
			return io.NopCloser(bytes.NewReader(body)), nil
		}
	}
	resp, err := g.transport.RoundTrip(req)
	if err != nil {
		return answer{}, &lostError{mayHaveLeft: s.mayHaveLeft(), cause: err}
	}
	defer func() { _ = resp.Body.Close() }() // what it could say has no bearing on the answer

	read, err := io.ReadAll(io.LimitReader(resp.Body, maxBodyBytes+1))
	if err != nil {
		return answer{}, &lostError{
			mayHaveLeft: true,
			cause:       fmt.Errorf("the answer %d broke off: %w", resp.StatusCode, err),
		}
	}
	tooLong := len(read) > maxBodyBytes
	if tooLong {
		read = read[:maxBodyBytes]
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: read, tooLong: tooLong}, nil
}
