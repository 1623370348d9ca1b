// Package egress decides which addresses events may be sent to. The address of a receiver comes from outside, so that a
// connection to it must not reach what only this process can reach (server-side request forgery: OWASP, "Server-Side
// Request Forgery Prevention Cheat Sheet"). An address that is not public is refused, unless the host is allowed by name.
// That is checked when the socket connects, after the name was resolved, so that a name whose address changes between a
// check and the connection (DNS rebinding) gains nothing.
package egress
