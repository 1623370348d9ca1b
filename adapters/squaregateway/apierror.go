package squaregateway

import (
	"strings"

	"paymentd/core/payment"
)

// apiError is one of the errors of an answer: Square's Error object.
type apiError struct {
	category string
	code     string
	detail   string
	field    string // of the request
}

// categories are the values of ErrorCategory.
var categories = map[string]bool{
	"API_ERROR": true, "AUTHENTICATION_ERROR": true, "INVALID_REQUEST_ERROR": true, "RATE_LIMIT_ERROR": true,
	"PAYMENT_METHOD_ERROR": true, "REFUND_ERROR": true, "MERCHANT_SUBSCRIPTION_ERROR": true, "EXTERNAL_VENDOR_ERROR": true,
}

// maxErrors bounds the errors that are read of one answer.
const maxErrors = 16

// readErrors reads the member "errors" of an object. It returns nil unless all of them have a category
// of Square's and a code.
func readErrors(o object) []apiError {
	var all []apiError
	for _, value := range o.list("errors") {
		one, _ := value.(object)
		e := apiError{one.text("category"), one.text("code"), one.text("detail"), one.text("field")}
		if !categories[e.category] || !printable(e.code) || len(all) == maxErrors {
			return nil
		}
		all = append(all, e)
	}
	return all
}

// declines translates the codes with which an issuer or Square declines a payment method. Source: the
// descriptions of ErrorCode, and the errors of CreatePayment, in Square's API specification.
var declines = map[string]string{
	"GENERIC_DECLINE":           payment.DeclineCard,
	"CARD_DECLINED":             payment.DeclineCard,
	"CARD_DECLINED_CALL_ISSUER": payment.DeclineCard,
	"VOICE_FAILURE":             payment.DeclineCard,
	"READER_DECLINED":           payment.DeclineCard,
	"BUYER_REFUSED_PAYMENT":     payment.DeclineCard,

	"INSUFFICIENT_FUNDS":         payment.DeclineFunds,
	"GIFT_CARD_AVAILABLE_AMOUNT": payment.DeclineFunds,

	"CARD_EXPIRED":            payment.DeclineExpired,
	"EXPIRATION_FAILURE":      payment.DeclineExpired,
	"BAD_EXPIRATION":          payment.DeclineExpired,
	"INVALID_EXPIRATION":      payment.DeclineExpired,
	"INVALID_EXPIRATION_YEAR": payment.DeclineExpired,
	"INVALID_EXPIRATION_DATE": payment.DeclineExpired,

	"CVV_FAILURE":        payment.DeclineSecurityCode,
	"VERIFY_CVV_FAILURE": payment.DeclineSecurityCode,

	"ADDRESS_VERIFICATION_FAILURE": payment.DeclineAddress,
	"VERIFY_AVS_FAILURE":           payment.DeclineAddress,
	"INVALID_POSTAL_CODE":          payment.DeclineAddress,

	"INVALID_ACCOUNT":        payment.DeclineMethod,
	"ACCOUNT_UNUSABLE":       payment.DeclineMethod,
	"PAN_FAILURE":            payment.DeclineMethod,
	"INVALID_CARD":           payment.DeclineMethod,
	"INVALID_CARD_DATA":      payment.DeclineMethod,
	"INVALID_ENCRYPTED_CARD": payment.DeclineMethod,
	"CARD_TOKEN_EXPIRED":     payment.DeclineMethod,
	"CARD_TOKEN_USED":        payment.DeclineMethod,
	"SOURCE_EXPIRED":         payment.DeclineMethod,
	"SOURCE_USED":            payment.DeclineMethod,
	"CARD_MISMATCH":          payment.DeclineMethod,

	"CARD_DECLINED_VERIFICATION_REQUIRED": payment.DeclineAuthentication,
	"APPLE_TTP_PIN_TOKEN":                 payment.DeclineAuthentication,
	"INVALID_PIN":                         payment.DeclineAuthentication,
	"MISSING_PIN":                         payment.DeclineAuthentication,
	"ALLOWABLE_PIN_TRIES_EXCEEDED":        payment.DeclineAuthentication,

	"TRANSACTION_LIMIT":      payment.DeclineLimit,
	"PAYMENT_LIMIT_EXCEEDED": payment.DeclineLimit,
	"AMOUNT_TOO_HIGH":        payment.DeclineLimit,

	"CARDHOLDER_INSUFFICIENT_PERMISSIONS":    payment.DeclineNotPermitted,
	"CARD_NOT_SUPPORTED":                     payment.DeclineNotPermitted,
	"CARD_PRESENCE_REQUIRED":                 payment.DeclineNotPermitted,
	"CHIP_INSERTION_REQUIRED":                payment.DeclineNotPermitted,
	"MANUALLY_ENTERED_PAYMENT_NOT_SUPPORTED": payment.DeclineNotPermitted,
	"UNSUPPORTED_CARD_BRAND":                 payment.DeclineNotPermitted,
	"UNSUPPORTED_ENTRY_METHOD":               payment.DeclineNotPermitted,
	"UNSUPPORTED_INSTRUMENT_TYPE":            payment.DeclineNotPermitted,
	"UNSUPPORTED_SOURCE_TYPE":                payment.DeclineNotPermitted,
	"ISSUER_INSTALLMENT_ERROR":               payment.DeclineNotPermitted,
	"CURRENCY_MISMATCH":                      payment.DeclineNotPermitted, // of a gift card
}

// tokenErrors are declines also as an INVALID_REQUEST_ERROR, because they are about the payment method
// that the customer gave.
var tokenErrors = map[string]bool{
	"CARD_TOKEN_EXPIRED": true, "CARD_TOKEN_USED": true, "SOURCE_EXPIRED": true, "SOURCE_USED": true,
	"INVALID_CARD": true, "INVALID_CARD_DATA": true, "INVALID_POSTAL_CODE": true, "BAD_EXPIRATION": true,
	"INVALID_EXPIRATION": true, "INVALID_EXPIRATION_YEAR": true, "INVALID_EXPIRATION_DATE": true,
}

// ours are errors of the account or of the request, also as a PAYMENT_METHOD_ERROR: another card gets
// the same.
var ours = map[string]bool{
	"INSUFFICIENT_PERMISSIONS": true, "INVALID_LOCATION": true, "LOCATION_MISMATCH": true, "INVALID_FEES": true,
	"CARD_PROCESSING_NOT_ENABLED": true, "PAYMENT_AMOUNT_MISMATCH": true, "UNSUPPORTED_CURRENCY": true,
	"UNSUPPORTED_COUNTRY": true,
}

// byCode are codes that decide in any category.
var byCode = map[string]payment.Class{
	"IDEMPOTENCY_KEY_REUSED": payment.ClassKeyReused,
	// "You can safely retry your call using the same idempotency key"; among payment-method errors.
	"TEMPORARY_ERROR":       payment.ClassUnknownAnswered,
	"INTERNAL_SERVER_ERROR": payment.ClassUnknownAnswered,
	// Something behind Square's edge has not answered, or another request with the key is running.
	"CONFLICT":            payment.ClassUnknownUnanswered,
	"REQUEST_TIMEOUT":     payment.ClassUnknownUnanswered,
	"GATEWAY_TIMEOUT":     payment.ClassUnknownUnanswered,
	"BAD_GATEWAY":         payment.ClassUnknownUnanswered,
	"SERVICE_UNAVAILABLE": payment.ClassUnknownUnanswered,
	"RATE_LIMITED":        payment.ClassNotCharged,
}

// class returns the class of an error of CreatePayment, which never depends on the HTTP status.
func (e apiError) class() payment.Class {
	if class, known := byCode[e.code]; known {
		return class
	}
	switch e.category {
	case "RATE_LIMIT_ERROR":
		return payment.ClassNotCharged
	case "AUTHENTICATION_ERROR", "MERCHANT_SUBSCRIPTION_ERROR":
		return payment.ClassRejected
	case "INVALID_REQUEST_ERROR":
		if tokenErrors[e.code] || e.field == "source_id" {
			return payment.ClassDeclined
		}
		return payment.ClassRejected
	case "PAYMENT_METHOD_ERROR":
		if ours[e.code] {
			return payment.ClassRejected
		}
		return payment.ClassDeclined // also a code that is newer than this program
	}
	return payment.ClassUnknownAnswered
}

// severity orders classes from the one that proves most to the one that proves least. Of several errors
// the last one counts.
var severity = []payment.Class{
	payment.ClassRejected, payment.ClassDeclined, payment.ClassNotCharged,
	payment.ClassUnknownAnswered, payment.ClassUnknownUnanswered, payment.ClassKeyReused,
}

// worst returns the class of one or more errors, and the first error that has it.
func worst(errors []apiError) (payment.Class, apiError) { return worstBy(errors, apiError.class) }

// worstBy is worst, if a function other than [apiError.class] classifies an error.
func worstBy(errors []apiError, classOf func(apiError) payment.Class) (payment.Class, apiError) {
	for i := range severity {
		class := severity[len(severity)-1-i]
		for _, e := range errors {
			if classOf(e) == class {
				return class, e
			}
		}
	}
	return payment.ClassUnknownAnswered, apiError{}
}

// decline returns the result of a declined charge with these errors, which may be none.
func decline(errors []apiError) payment.Result {
	r := payment.Result{Class: payment.ClassDeclined, Code: payment.DeclineCard, Message: "FAILED: Square gave no reason"}
	if len(errors) == 0 {
		return r
	}
	e := errors[0]
	for _, other := range errors {
		if other.class() == payment.ClassDeclined && declines[other.code] != "" {
			e = other
			break
		}
	}
	if code := declines[e.code]; code != "" {
		r.Code = code
	} else if e.field == "source_id" {
		r.Code = payment.DeclineMethod
	}
	r.Message = clip(e.String())
	return r
}

// String returns the error for operators; it begins with Square's own code.
func (e apiError) String() string {
	text := e.code
	if e.field != "" {
		text += " (" + e.field + ")"
	}
	if e.detail != "" {
		text += ": " + e.detail
	}
	return text
}

func describeErrors(errors []apiError) string {
	var all []string
	for _, e := range errors {
		all = append(all, e.String())
	}
	return strings.Join(all, "; ")
}
