package httpapi

import (
	"net/http"
	"net/url"
)

// escapedPaths makes the router use the path as it was sent, with its percent signs. By default it
// uses the decoded path if encoding that path again yields the same; then a percent sign in an
// order id would be ambiguous.
func escapedPaths(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawPath == "" && r.URL.EscapedPath() == r.URL.Path {
			next.ServeHTTP(w, r) // nothing to change
			return
		}
		escaped := *r // a handler must not change its request
		address := *r.URL
		address.RawPath = address.EscapedPath()
		escaped.URL = &address
		next.ServeHTTP(w, &escaped)
	})
}

// paymentPath returns the percent-encoded path of a payment.
func paymentPath(id string) string { return routePayments + "/" + url.PathEscape(id) }
