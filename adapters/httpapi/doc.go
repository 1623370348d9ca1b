// Package httpapi is the service's HTTP door: Echo's router, and around it everything
// that is strict about requests and exact about answers.
//
//	POST /payments/process      charge an order: process.go
//	GET  /payments/{order_id}   one payment, its attempts and its timeline: lookup.go
//	GET  /payments              payments by pages, newest first: list.go
//	GET  /healthz, /readyz      for probes: health.go
//	GET  /openapi.yaml, /docs   the contract, and a page to read it with: docs.go
//
// Before a request comes to one of these, it passes who may ask how often: limits.go, with the
// buckets of buckets.go and the addresses of address.go, and auth.go.
//
// The contract, openapi.yaml, comes first: the types of what is answered are made from it
// (internal/wire), and the tests compare every answer with it.
//
// While no key is needed, the host that a request names must be this machine's: hosts.go.
//
// Who may call what is decided by the scopes of a caller's key: auth.go.
//
// A request to charge must mean one thing only. So its body is decoded strictly
// (decode.go), a query string beside it is refused, and nothing is guessed: a misspelt
// member must not charge the default currency.
//
// Errors are {"error": "what to change"}, or RFC 9457 problem details for a client that asks
// for application/problem+json by name. Their types, urn:paymentd:problem:NAME, are stable.
//
// Whatever goes wrong becomes an answer by one table, in errors.go, and is written in one
// place, respond.go. Each request leaves one line in the log, with the error that ended in
// it, if any: requestlog.go.
//
// What is not HTTP at all, or has too large a header, is answered by net/http itself with
// its own plain text, and is not logged here.
package httpapi
