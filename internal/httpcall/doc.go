// Package httpcall sends one HTTP request with a body at most once, and reports whether a byte of it may have
// left this process. net/http may send a GET a second time if a kept connection turns out to be dead.
//
// Gateways over HTTP need that: if no byte left, nothing was charged, and any other request without an
// answer may have charged. What decides is what was written, never the type of an error. net/http's
// Transport makes all calls, with and without TLS, and uses HTTP/2 if the server negotiates it. The
// Transport would silently re-send a request if a kept connection turns out to be dead; this package
// prevents that as soon as a byte may have left, which [writeTracker] reports.
//
// An answer counts only if it is complete. If its body is truncated, or not complete when the context
// ends, the answer is lost, with any status.
package httpcall
