// Package stripegateway implements ports.Gateway with Stripe's PaymentIntents and Refunds.
//
// A charge is one POST /v1/payment_intents that creates and confirms a PaymentIntent, with the gateway key
// as its Idempotency-Key and in its metadata. Everything that is sent under a key follows from the charge
// alone, because Stripe compares the parameters of a repeat with those of the first request.
//
// # What an answer proves
//
// An answer to a POST is Stripe's own if it echoes our Idempotency-Key. An answer to a GET is Stripe's own if
// it has a Request-Id and a body of Stripe's schema. Any other answer was written by an intermediary, and
// proves nothing. Stripe does not document which errors echo the key; an error without it is unmarked.
//
// Stripe saves the answer to a key once the execution has begun: successes, declines and 500. A saved 500
// never changes, so that it is no answer about the money: the PaymentIntent is looked up.
//
// # A decline
//
// A declined PaymentIntent waits for another payment method and could be confirmed later, by the holder of
// its client secret or of the secret key. It is therefore cancelled before the decline is reported. If it is
// not known whether the cancellation succeeded, the result is payment.ClassPending: the charge exists and is
// not decided. The lookup that follows cancels it again and then finds the decline. A result is
// payment.ClassDeclined only if nothing can confirm the PaymentIntent any more.
//
// # A refund
//
// A refund is one POST /v1/refunds of a charge's PaymentIntent, with a gateway key of its own. What an answer
// proves is decided by the same code as for a charge; see refund.go. The status of the Refund counts, and not
// that there is one. A refund can fail after it had succeeded, and its object does not say whether it had: a
// lookup returns payment.FoundReturned if the service has recorded the success.
//
// # Why not stripe-go's client
//
// stripe-go has the types, the constants and the webhook signatures. Its client hides what decides about
// money: an answer that is not JSON becomes an error without headers (stripe.go, BackendImplementation.Do),
// a request without an answer does not say whether a byte has left, and net/http may send a request twice.
// The calls are made by internal/httpcall.
package stripegateway
