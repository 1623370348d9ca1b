package squaregateway

import (
	"slices"

	"paymentd/core/payment"
)

// refundDeclines translates the codes with which an issuer or Square declines a refund, beside those about a payment
// method in [declines]. Sources: the errors of RefundPayment (x-endpoint-errors) and the descriptions of
// ErrorCode in Square's API specification; the guide "Refund Payments" (at most 20 refunds of a payment, within a
// year).
var refundDeclines = map[string]string{
	"REFUND_AMOUNT_INVALID":                 payment.DeclineLimit,        // "exceeds the amount available to refund"
	"PAYMENT_NOT_REFUNDABLE":                payment.DeclineNotPermitted, // "for example, the payment is too old"
	"PAYMENT_NOT_REFUNDABLE_DUE_TO_DISPUTE": payment.DeclineNotPermitted,
	"REFUND_DECLINED":                       payment.DeclineCard, // "the card issuer declined the refund"
	"RESERVATION_DECLINED":                  payment.DeclineCard, // the same
	"CARD_MISMATCH":                         payment.DeclineMethod,
}

// refundRejections are the errors of category REFUND_ERROR about the request or the account.
var refundRejections = map[string]bool{
	"REFUND_ERROR_PAYMENT_NEEDS_COMPLETION": true, // only a payment that is COMPLETED can be refunded
	"INSUFFICIENT_PERMISSIONS_FOR_REFUND":   true,
}

// refundClass returns the class of an error of RefundPayment, which never depends on the HTTP status.
func (e apiError) refundClass() payment.Class {
	switch {
	case e.code == "REFUND_ALREADY_PENDING": // nothing was refunded, and a repeat may be, once the other is decided
		return payment.ClassNotCharged
	case refundRejections[e.code]:
		return payment.ClassRejected
	case refundDeclines[e.code] != "":
		return payment.ClassDeclined
	}
	return e.class() // which does not know a further code of REFUND_ERROR
}

// notFound reports whether all that the answer says is that Square does not have what the request names.
func (a answer) notFound() bool {
	return len(a.errors) > 0 && !slices.ContainsFunc(a.errors, func(e apiError) bool { return e.code != "NOT_FOUND" })
}

// refusedRefund classifies errors without a refund of this key, before they are confirmed.
func refusedRefund(a answer) payment.Result {
	class, e := worstBy(a.errors, apiError.refundClass)
	r := payment.Result{Class: class, Message: clip("Square answered " + a.describe()), Answered: true}
	if class == payment.ClassDeclined {
		r = declineRefund("", []apiError{e})
		r.Answered = true
	}
	return r
}

// declineRefund returns the result of a refund that was not made, in this state and with these errors, which may be
// none.
func declineRefund(status string, errors []apiError) payment.Result {
	if len(errors) == 0 {
		return payment.Result{Class: payment.ClassDeclined, Code: payment.DeclineCard, Message: status + ": Square gave no reason"}
	}
	r := decline(errors)
	for _, e := range errors {
		if code := refundDeclines[e.code]; code != "" {
			r.Code, r.Message = code, clip(e.String())
			break
		}
	}
	return r
}
