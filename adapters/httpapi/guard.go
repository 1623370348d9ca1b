package httpapi

import (
	"maps"
	"net/http"
)

// policyTransport has a browser that was here once come back with TLS alone (RFC 6797): for a year.
const policyTransport = "max-age=31536000"

// secured tells browsers to make nothing of an answer but what it says it is, and to stay with TLS
// where that is spoken.
func secured(next http.Handler, withTLS bool) http.Handler {
	// Shared by all answers: a header that is set anew gets a slice of its own.
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

// singly ends a connection after a request whose end somebody on the way may see elsewhere. net/http
// does not tell whether one with chunks had a Content-Length as well, which must end its connection
// (RFC 9112, section 6.1), and passes over the chunks of HTTP/1.0. What follows such a request may be
// part of it to a proxy, and is never read as a request here.
func singly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TransferEncoding) > 0 || !r.ProtoAtLeast(1, 1) {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
