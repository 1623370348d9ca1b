package httpapi

import (
	"net/http"
	"net/url"
)

// escapedPaths lets the router see a path as it was sent, percent signs and all. On its
// own it looks at the decoded path wherever encoding that again gives the same, and then
// nobody could tell whether a percent sign in an order id is to be decoded.
func escapedPaths(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawPath == "" && r.URL.EscapedPath() == r.URL.Path {
			next.ServeHTTP(w, r) // as it was sent
			return
		}
		escaped := *r // a handler may not change the request that it was given
		address := *r.URL
		address.RawPath = address.EscapedPath()
		escaped.URL = &address
		next.ServeHTTP(w, &escaped)
	})
}

// paymentPath returns the path of a payment, percent-encoded.
func paymentPath(id string) string { return routePayments + "/" + url.PathEscape(id) }
