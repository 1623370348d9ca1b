// Package httpgateway is ports.Gateway over the gateway protocol: plain HTTP with JSON,
// for a gateway that honours an Idempotency-Key header.
//
//	POST {base}/charges                   one attempt to charge
//	GET  {base}/charges/{gateway key}     what became of a gateway key
//
// Two things decide what an attempt proves. The first is what was written: a request of which no
// byte was handed to the network has charged nothing; any other may have, and may still. An
// attempt sends its request once at most. Sending it again would be harmless to a gateway that
// honours the key, but the first sending would be forgotten, and a second that provably never
// left would then speak for both.
//
// The second is who answered. An answer is the gateway's own if its header Idempotency-Key is the
// key of the charge. Any other was written by something in between (a proxy, a mesh, a CDN),
// whatever its status: the charge may be running behind it. What a marked answer means is in
// charge.go and lookup.go, a row of the protocol's table each.
//
// Without TLS, [direct] makes each exchange by itself, and knows what it has written. With TLS it
// is net/http's client, which speaks HTTP/2 where the gateway offers it. That would silently
// send a request again when a kept connection turns out dead; it is held back as soon as a byte
// may have left, which [sending] tells.
//
// An answer counts when it has arrived whole. A status line whose body is cut short or
// dribbles past the timeout is a lost answer, whatever the status was.
package httpgateway
