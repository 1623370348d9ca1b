// Package delivery delivers the events of the outbox to the webhook endpoints. Every replica runs a [Courier]; leases
// and fencing tokens in the rows of the outbox decide which of them makes an attempt.
//
// Each endpoint has a dispatcher of its own, with its own limit of attempts in flight, so that a receiver that is slow or
// does not answer delays no other. A dispatcher whose receiver has not answered several times in a row pauses, for
// longer each time, and then probes it with one event; the other events wait without using up their attempts.
package delivery
