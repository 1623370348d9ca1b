package gateways

// Sources say, as Markdown, what each field of payment.Capabilities rests on.
type Sources struct {
	Repeat, KeyLifetime, MaxKeyBytes, LooksUp, LookupLag, SavesDeclines, Cancels, NeedsMethod, Asynchronous, Operations string
}

const (
	stripeKeys      = "[idempotent requests](https://docs.stripe.com/api/idempotent_requests)"
	stripeIntents   = "[PaymentIntents](https://docs.stripe.com/api/payment_intents)"
	stripeLifecycle = "[lifecycle](https://docs.stripe.com/payments/paymentintents/lifecycle)"
	stripeRefunds   = "[refunds](https://docs.stripe.com/api/refunds)"

	squareSpecification = "[specification](https://github.com/square/connect-api-specification)"
)

var stripeSources = Sources{
	Repeat: stripeKeys, KeyLifetime: stripeKeys + ": removed after 24 h at the earliest", MaxKeyBytes: stripeKeys, LooksUp: stripeIntents + ", " + stripeRefunds,
	LookupLag: "[search](https://docs.stripe.com/search#data-freshness)", SavesDeclines: stripeKeys,
	Cancels: "[cancel](https://docs.stripe.com/api/payment_intents/cancel)", NeedsMethod: stripeLifecycle,
	Asynchronous: stripeLifecycle + ", [status of a refund](https://docs.stripe.com/api/refunds/object#refund_object-status)",
	Operations: "[capture](https://docs.stripe.com/api/payment_intents/capture), " +
		"[void](https://docs.stripe.com/api/payment_intents/cancel), " + stripeRefunds,
}

var squareSources = Sources{
	Repeat:      "[idempotency](https://developer.squareup.com/docs/build-basics/common-api-patterns/idempotency)",
	KeyLifetime: "not published; [the time of the hold](gateways/square.md#what-square-can-prove)",
	MaxKeyBytes: squareSpecification + ": `reference_id`", LooksUp: squareSpecification + ": GetPayment, ListPayments, GetPaymentRefund, ListPaymentRefunds",
	LookupLag: squareSpecification + ": \"several seconds\"", SavesDeclines: "not documented: the worse case",
	Cancels: squareSpecification + ": CancelPaymentByIdempotencyKey", NeedsMethod: squareSpecification + ": `source_id`",
	Asynchronous: squareSpecification + ": `Payment.status`, `PaymentRefund.status`",
	Operations: squareSpecification + ", [delayed capture](https://developer.squareup.com/docs/payments-api/take-payments/" +
		"card-payments/delayed-capture), [refunds](https://developer.squareup.com/docs/payments-api/refund-payments)",
}
