package stripefake

import "time"

// behaviour is what a payment method does when a PaymentIntent is confirmed.
type behaviour struct {
	code, decline, message string // of a decline
	action                 bool   // the customer must authenticate
	bank                   bool   // a debit that a bank decides later, as by code
	slow                   time.Duration
	pendingRefund          bool   // its refunds are pending at first
	refundFailure          string // why its refunds fail; unknown if it is empty
	captureFails           bool   // the issuer declines a capture
	disputed               bool   // the customer disputes the charge as soon as it succeeds
}

// methods are Stripe's test payment methods (docs.stripe.com/testing), and one of ours. Any other does not
// exist.
var methods = map[string]behaviour{
	"pm_card_visa": {}, "pm_card_visa_debit": {}, "pm_card_mastercard": {}, "pm_card_amex": {}, "pm_card_discover": {},

	"pm_card_visa_chargeDeclined":                  cardDeclined("generic_decline"),
	"pm_card_chargeDeclined":                       cardDeclined("generic_decline"),
	"pm_card_visa_chargeDeclinedInsufficientFunds": {code: "card_declined", decline: "insufficient_funds", message: "Your card has insufficient funds."},
	"pm_card_chargeDeclinedInsufficientFunds":      {code: "card_declined", decline: "insufficient_funds", message: "Your card has insufficient funds."},
	"pm_card_visa_chargeDeclinedLostCard":          cardDeclined("lost_card"),
	"pm_card_visa_chargeDeclinedStolenCard":        cardDeclined("stolen_card"),
	"pm_card_visa_chargeDeclinedVelocityLimitExceeded": {
		code: "card_declined", decline: "card_velocity_exceeded",
		message: "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
	},
	"pm_card_radarBlock":                     cardDeclined("fraudulent"),
	"pm_card_chargeDeclinedExpiredCard":      {code: "expired_card", message: "Your card has expired."},
	"pm_card_visa_chargeDeclinedExpiredCard": {code: "expired_card", message: "Your card has expired."},
	"pm_card_chargeDeclinedIncorrectCvc":     {code: "incorrect_cvc", message: "Your card's security code is incorrect."},
	"pm_card_chargeDeclinedProcessingError": {
		code: "processing_error", message: "An error occurred while processing your card. Try again in a little bit.",
	},

	"pm_card_authenticationRequired": {action: true}, "pm_card_threeDSecure2Required": {action: true},
	"pm_card_threeDSecureRequired": {action: true},

	"pm_usBankAccount": {bank: true}, "pm_usBankAccount_success": {bank: true},
	"pm_usBankAccount_insufficientFunds": {
		bank: true, code: "payment_intent_payment_attempt_failed", decline: "insufficient_funds",
		message: "The customer's account has insufficient funds to cover this payment.",
	},

	// docs.stripe.com/testing#refunds, "asynchronous success" and "asynchronous failure"; #disputes.
	"pm_card_pendingRefund": {pendingRefund: true}, "pm_card_refundFail": {refundFailure: "expired_or_canceled_card"},
	"pm_card_createDispute": {disputed: true},

	// Not Stripe's: an approval that takes four seconds.
	"pm_card_slow": {slow: 4 * time.Second},
	// Not Stripe's: an authorization whose capture is declined.
	"pm_card_captureFail": {captureFails: true},
}

func cardDeclined(decline string) behaviour {
	return behaviour{code: "card_declined", decline: decline, message: "Your card was declined."}
}

// failure returns the error of a decline; nil if the method pays.
func (b behaviour) failure(charge string) *errorBody {
	if b.code == "" {
		return nil
	}
	return &errorBody{
		Type: typeCard, Code: b.code, DeclineCode: b.decline, Message: b.message, Charge: charge,
		DocURL: "https://stripe.com/docs/error-codes/" + b.code,
	}
}
