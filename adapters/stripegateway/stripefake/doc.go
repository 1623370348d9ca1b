// Package stripefake is a stateful fake of the part of Stripe's API that the service uses, for tests and
// demonstrations. No money moves.
//
// It honours idempotency keys as Stripe documents: it saves every answer to a request whose execution had
// begun, also a 500, refuses a key with other parameters or on another endpoint, answers 409 while a key is
// in use, and forgets keys after 24 hours. PaymentIntents have Stripe's life, and test payment methods decide
// the outcome (docs.stripe.com/testing). Search lags. [Fake.Inject] injects faults. The ledger is a file to
// which every change is appended before it is answered, so that it survives kill -9.
//
// If Stripe's behaviour is not documented, the fake does what is worse for the service. For example, it clears
// last_payment_error when a PaymentIntent is cancelled.
package stripefake
