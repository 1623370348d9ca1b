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

// exchange sends one request to the gateway, for an answer of at most maxBodyBytes.
func (g *Gateway) exchange(
	ctx context.Context, method string, u *url.URL, about payment.ChargeRef, body []byte,
) (answer, *httpcall.LostError) {
	return g.call(ctx, about, httpcall.Request{Method: method, URL: u, Body: body, MaxAnswerBytes: maxBodyBytes})
}

// call sends one request with the headers of the protocol. A GET is about no key.
func (g *Gateway) call(ctx context.Context, about payment.ChargeRef, r httpcall.Request) (answer, *httpcall.LostError) {
	header := make(http.Header, 6)
	g.addHeader(ctx, header)
	header["Accept"] = mediaType
	header["User-Agent"] = userAgent
	if r.Method == http.MethodGet {
		// A cache must not respond for the gateway (RFC 9111, sections 5.2 and 5.4).
		header["Cache-Control"] = noCache
		header["Pragma"] = noCache
	} else {
		header["Content-Type"] = mediaType
		header[markHeader] = []string{string(about.Key)}
		if about.Operation.Kind == payment.KindRefund {
			header[refundHeader] = []string{about.Operation.Name}
		}
	}
	r.Header, r.Secrets = header, g.secrets
	a, lost := g.client.Do(ctx, r)
	if lost != nil {
		return answer{}, lost
	}
	return answer{status: a.Status, header: a.Header, body: a.Body, tooLong: a.TooLong}, nil
}

// refundHeader has the refund_id of a refund, so that the list of the gateway can say which refund a key is of.
const refundHeader = "Refund-Id"

// Values of headers, shared by all requests. They must not be changed.
var (
	mediaType = []string{"application/json"}
	userAgent = []string{"paymentd"}
	noCache   = []string{"no-cache"}
)
