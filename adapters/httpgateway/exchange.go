package httpgateway

import (
	"context"
	"net/http"
	"net/url"

	"paymentd/core/payment"
	"paymentd/internal/httpcall"
)

// maxBodyBytes is far more than any answer of the protocol.
const maxBodyBytes = 64 << 10

// exchange sends one request to the gateway.
func (g *Gateway) exchange(
	ctx context.Context, method string, u *url.URL, key payment.GatewayKey, body []byte,
) (answer, *httpcall.LostError) {
	header := make(http.Header, 6)
	g.addHeader(ctx, header)
	header["Accept"] = mediaType
	header["User-Agent"] = userAgent
	if method == http.MethodGet {
		// A cache must not respond for the gateway (RFC 9111, sections 5.2 and 5.4).
		header["Cache-Control"] = noCache
		header["Pragma"] = noCache
	} else {
		header["Content-Type"] = mediaType
		header[markHeader] = []string{string(key)}
	}
	a, lost := g.client.Do(ctx, httpcall.Request{
		Method: method, URL: u, Header: header, Body: body, MaxAnswerBytes: maxBodyBytes,
	})
	if lost != nil {
		return answer{}, lost
	}
	return answer{status: a.Status, header: a.Header, body: a.Body, tooLong: a.TooLong}, nil
}

// Values of headers, shared by all requests. They must not be changed.
var (
	mediaType = []string{"application/json"}
	userAgent = []string{"paymentd"}
	noCache   = []string{"no-cache"}
)
