// Package squarefake is a stateful fake of Square's Payments API, for tests: payments and refunds with
// idempotency keys, holds that expire by a clock that the test sets, lists that lag, faults, and a ledger on
// disk that survives the death of the process.
//
// It answers as Square's API specification and documentation say. What they leave open is an option
// ([Options]), so that a test can run under each possibility:
//
//   - the HTTP status of a decline, and whether it has a payment;
//   - what a repeat of a declined key gets, and of a key whose payment was cancelled;
//   - whether a repeat gets the first answer as it was, or the payment as it is;
//   - whether errors have the header Square-Version;
//   - whether a refund is decided later, or fails at once with errors beside it;
//   - whether a refund reduces the amount_money of its payment.
package squarefake
