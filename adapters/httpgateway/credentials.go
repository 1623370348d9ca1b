package httpgateway

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
)

// WithBearer sends the token that the function returns with each request (RFC 6750, section 2.1), so
// that a token can be replaced while the service runs. The token must be valid in a header.
func WithBearer(token func() string) Option {
	return func(o *options) { o.bearer = token }
}

// WithClientCertificate presents the certificate that the function returns if the gateway asks for one.
// The function is called for each new connection; open connections keep their certificate.
func WithClientCertificate(certificate func() *tls.Certificate) Option {
	return func(o *options) { o.clientCertificate = certificate }
}

// WithHeaders adds fixed headers to each request; see [CheckHeader].
func WithHeaders(headers map[string]string) Option {
	return func(o *options) { o.headers = headers }
}

// ownHeaders are those that the protocol, the connection or another option determines.
var ownHeaders = map[string]bool{
	"Accept": true, "Accept-Encoding": true, "Authorization": true, "Cache-Control": true, "Connection": true,
	"Content-Encoding": true, "Content-Length": true, "Content-Type": true, "Expect": true, "Host": true,
	"Idempotency-Key": true, "Keep-Alive": true, "Pragma": true, "Proxy-Authorization": true,
	"Proxy-Connection": true, "Refund-Id": true, "Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true, "User-Agent": true,
}

// tokenCharacters may occur in the name of a header (RFC 9110, section 5.6.2).
const tokenCharacters = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" //nolint:gosec // no credentials

// isControl reports whether a character must not occur in the value of a header (RFC 9110, section 5.5).
func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// CheckHeader returns an error if a header cannot be added to the requests of the protocol (RFC 9110,
// section 5). The error does not contain the value, which may be secret.
func CheckHeader(name, value string) error {
	switch {
	case name == "" || strings.Trim(name, tokenCharacters) != "":
		return fmt.Errorf("%q is not the name of a header", name)
	case ownHeaders[http.CanonicalHeaderKey(name)]:
		return fmt.Errorf("the header %s is set by the gateway protocol or by another setting", http.CanonicalHeaderKey(name))
	case strings.ContainsFunc(value, isControl):
		return fmt.Errorf("the header %s has a value with control characters", http.CanonicalHeaderKey(name))
	}
	return nil
}

// header returns a function that adds the headers of all options to a request.
func (o *options) header() (func(context.Context, http.Header), error) {
	for name, value := range o.headers {
		if err := CheckHeader(name, value); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context, h http.Header) {
		for name, value := range o.headers {
			h.Set(name, value)
		}
		o.addHeader(ctx, h)
		if o.bearer != nil {
			h.Set("Authorization", "Bearer "+o.bearer())
		}
	}, nil
}
