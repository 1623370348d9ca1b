// Package httpapi is the HTTP interface of the service: Echo's router, strict request parsing, and
// exact responses.
//
//	POST /payments/process      charge an order: process.go
//	GET  /payments/{order_id}   one payment, its attempts and its timeline: lookup.go
//	GET  /payments              payments by pages, newest first: list.go
//	GET  /healthz, /readyz      for probes: health.go
//	GET  /openapi.yaml, /docs   the contract, and a page that displays it: docs.go
//
// A request first passes the rate limits (limits.go, limiter.go, address.go) and authentication
// (auth.go). The scopes of the API key decide what a caller may do.
//
// openapi.yaml is written first: the types of the responses are generated from it (internal/wire),
// and the tests compare every response with it.
//
// If no API key is required, the request must name this machine as its host: hosts.go.
//
// A request to charge must be unambiguous. Therefore its body is decoded strictly (decode.go), a
// query string is refused, and nothing is guessed: a misspelt member must not charge the default
// currency.
//
// Errors are {"error": "what to change"}, or RFC 9457 problem details if the client asks for
// application/problem+json by name. Their types, urn:paymentd:problem:NAME, are stable.
//
// One table, in errors.go, maps each error to a response, and respond.go writes it. Each request
// has one log line, with its error if there was one: requestlog.go.
//
// net/http itself responds, in plain text, to what is not HTTP or has too large a header. These
// requests are not logged here.
package httpapi
