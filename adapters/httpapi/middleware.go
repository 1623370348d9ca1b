package httpapi

import (
	"maps"
	"net/http"
)

// policyTransport makes browsers use TLS only, for a year (RFC 6797).
const policyTransport = "max-age=31536000"

// withSecurityHeaders adds the headers that restrict what browsers do with a response, and that
// require TLS if the server uses it.
func withSecurityHeaders(next http.Handler, withTLS bool) http.Handler {
	// Shared by all responses: setting a header replaces its slice.
	always := http.Header{
		"Content-Security-Policy": {policyNothing},
		"Referrer-Policy":         {"no-referrer"},
		"X-Content-Type-Options":  {"nosniff"},
	}
	if withTLS {
		always.Set("Strict-Transport-Security", policyTransport)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		maps.Copy(w.Header(), always)
		next.ServeHTTP(w, r)
	})
}

// closeAmbiguous closes the connection after a request whose end an intermediary may see elsewhere.
// net/http does not report whether a chunked request also had a Content-Length, which requires
// closing the connection (RFC 9112, section 6.1), and it ignores chunked encoding in HTTP/1.0. A
// proxy may consider what follows such a request part of it, so it is never read as a request here.
func closeAmbiguous(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TransferEncoding) > 0 || !r.ProtoAtLeast(1, 1) {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
