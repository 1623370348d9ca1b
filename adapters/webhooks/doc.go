// Package webhooks is ports.Sender over HTTP: it posts events that are signed as Standard Webhooks describes
// (github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md).
//
// The URL of an endpoint comes from outside, so that a request to it must not reach what only this process can reach
// (server-side request forgery: OWASP, "Server-Side Request Forgery Prevention Cheat Sheet"). A connection to an
// address that is not public is refused, unless the host is allowed by name. That is checked when the
// socket connects, after the name was resolved, so that a name whose address changes between a check and the
// connection (DNS rebinding) gains nothing. Redirects are not followed, no proxy is used, and http:// is refused.
package webhooks
