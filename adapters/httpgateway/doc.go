// Package httpgateway implements ports.Gateway over the gateway protocol: HTTP with JSON, for a
// gateway that honours an Idempotency-Key header.
//
//	POST {base}/charges                   one attempt to charge
//	GET  {base}/charges/{gateway key}     the state of the charge with a gateway key
//	POST {base}/charges/{gateway key}/voids
//	                                      cancel a charge that is pending
//	POST {base}/charges/{gateway key}/refunds
//	                                      one attempt to refund a charge, whole or in part
//	GET  {base}/charges/{gateway key}/refunds/{refund key}
//	                                      the state of the refund with a gateway key
//	GET  {base}/charges?from=&to=&cursor= one page of the list of charges
//
// Two facts decide what an attempt proves. The first is what was written: if no byte of the request
// reached the network, nothing was charged; any other request may have charged, and may still do
// so. An attempt therefore sends its request at most once. A second sending would be harmless to a
// gateway that honours the key, but it would hide the first: if the second provably was not sent,
// the attempt would be reported as not charged.
//
// The second fact is who responded. An answer is the gateway's own if its Idempotency-Key header is
// the key of the charge. Any other answer comes from an intermediary (a proxy, a mesh, a CDN),
// with any status, and the charge may be running behind it. charge.go and lookup.go define what
// a marked answer means, with one case for each row of the protocol's table.
//
// The package internal/httpcall makes all calls and reports what was written.
//
// An answer counts only if it is complete. If its body is truncated, or not complete before the
// timeout, the answer is lost, with any status.
package httpgateway
