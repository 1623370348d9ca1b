// Package squaregateway implements ports.Gateway over Square's Payments API
// (https://developer.squareup.com/reference/square/payments-api) and its Refunds API
// (https://developer.squareup.com/reference/square/refunds-api), with net/http.
//
// # Hold, then take
//
// One attempt is two calls. CreatePayment with autocomplete false holds the money under the gateway
// key; CompletePayment takes it by the payment's id. A hold that is not completed within [HoldFor] is
// cancelled by Square ("Delayed capture"). So a CreatePayment of unknown outcome takes no money by
// itself: only an attempt that knows the payment's id completes it, and all attempts with a key get the
// same payment ("Idempotency": a repeat gets the first success).
//
// CompletePayment has no key. After any answer to it but COMPLETED, GetPayment decides.
//
//	CreatePayment            CompletePayment        GetPayment           class
//	not sent                 –                      –                    not_charged
//	lost, or not Square's    –                      –                    unknown_unanswered
//	error                    –                      –                    see apierror.go
//	other amount             –                      –                    key_reused
//	FAILED                   –                      –                    declined
//	CANCELED                 –                      –                    declined (abandoned)
//	PENDING                  –                      –                    pending
//	COMPLETED (a repeat)     –                      –                    approved
//	APPROVED                 too little time left   –                    unknown_answered
//	APPROVED                 COMPLETED              –                    approved
//	APPROVED                 anything else          COMPLETED            approved
//	APPROVED                 anything else          CANCELED             declined (abandoned)
//	APPROVED                 anything else          FAILED               declined
//	APPROVED                 anything else          PENDING              pending
//	APPROVED                 error, or not sent     APPROVED, no answer  unknown_answered
//	APPROVED                 lost                   APPROVED, no answer  unknown_unanswered
//
// A repeat of a CreatePayment may get the first answer as it was, APPROVED, although the payment was
// completed or cancelled since. CompletePayment is then an error, and GetPayment decides.
//
// If a worker is lost between the two calls, the next attempt repeats CreatePayment with the same key,
// gets the same payment, and completes it. If there is no next attempt, the hold expires.
//
// # Whose answer it is
//
// Square echoes no key in a header. An answer is Square's own if it has a payment whose reference_id is
// the gateway key, or errors of Square's schema: each with a category of the API's enumeration and a
// code. An answer that says that nothing was found needs the header Square-Version, which Square
// documents for successes, because an empty JSON object is easily written by something else.
//
// Nothing ties an error to the request. The classes of errors therefore rest on the hold: if an error
// was not about this request, a hold exists that nothing completes. A decline without a payment of this
// key is moreover confirmed by a list of the latest payments: if that has a payment with the key, the
// payment decides.
//
// # What a key is worth
//
// Square does not publish how long it remembers a key ("We do not publish a retention period": its
// developer forum, thread 28303), and not what the same key gets after a cancellation. [HoldFor] is
// the default and the maximum of the key lifetime: no attempt begins after the hold of an earlier one
// has expired, so that a cancelled payment is final for its key in either case.
//
// # Lookups
//
// A payment whose id is known is read by id. Otherwise the payments of the location are listed from the
// time of the first sending, and filtered by reference_id, because ListPayments has no such filter. If
// a page is missing or unreadable, there is no answer. The list lags by "several seconds" (ListPayments),
// which [Options.LookupLag] declares with a wide margin.
//
//	payments with the key                   result
//	COMPLETED                               approved
//	COMPLETED, other amount                 no_answer (for an operator)
//	APPROVED                                processing: a repeat completes it, or it expires
//	PENDING                                 pending
//	CANCELED                                voided
//	FAILED                                  declined; as declines are not known to be saved, this counts as nothing
//	none, and every page was read           nothing
//
// # Refunds
//
// One attempt at a refund is one call, RefundPayment, and nothing is held first. A PaymentRefund names neither its
// idempotency key nor a reference, so that its reason has the gateway key and the order. An answer is Square's own if
// it has a refund with the key in its reason, or errors of Square's schema. Refusals count only once the payment, which
// is read by its id with each of its refunds, has none with the key; see refunderror.go for the codes.
//
//	RefundPayment                     GetPayment, GetPaymentRefund   class
//	not sent                          –                              not_charged
//	lost, or not Square's             –                              unknown_unanswered
//	other amount or payment           –                              key_reused
//	COMPLETED                         –                              approved
//	PENDING                           –                              pending
//	REJECTED, FAILED                  –                              declined
//	another status                    –                              unknown_answered
//	COMPLETED, PENDING, with errors   its status                     as above; no answer: unknown_answered
//	error that refuses                no refund with the key         declined, rejected, not_charged
//	error that refuses                a refund with the key          as above
//	error that refuses                no answer                      unknown_answered
//	another error                     –                              unknown_answered, unknown_unanswered, key_reused
//
// A refund whose id is known is read by id. Otherwise the refunds of the location are listed and filtered by their
// reason, as payments are. COMPLETED is approved, PENDING is pending, REJECTED and FAILED are declined, or returned if
// the service has recorded that the refund had succeeded.
package squaregateway
