package stripegateway

import (
	"github.com/stripe/stripe-go/v85"

	"paymentd/core/payment"
)

// declineCodes translates Stripe's decline codes (docs.stripe.com/declines/codes). A code that is missing
// means that the issuer gave no reason, or one that no code of ours covers: payment.DeclineCard.
var declineCodes = map[stripe.DeclineCode]string{
	stripe.DeclineCodeAuthenticationRequired:     payment.DeclineAuthentication,
	"authentication_not_handled":                 payment.DeclineAuthentication,
	stripe.DeclineCodeIncorrectPIN:               payment.DeclineAuthentication,
	stripe.DeclineCodeInvalidPIN:                 payment.DeclineAuthentication,
	stripe.DeclineCodePINTryExceeded:             payment.DeclineAuthentication,
	stripe.DeclineCodeOfflinePINRequired:         payment.DeclineAuthentication,
	stripe.DeclineCodeOnlineOrOfflinePINRequired: payment.DeclineAuthentication,

	stripe.DeclineCodeInsufficientFunds: payment.DeclineFunds,

	stripe.DeclineCodeCardVelocityExceeded:         payment.DeclineLimit,
	stripe.DeclineCodeInvalidAmount:                payment.DeclineLimit,
	stripe.DeclineCodeWithdrawalCountLimitExceeded: payment.DeclineLimit,

	stripe.DeclineCodeExpiredCard:        payment.DeclineExpired,
	stripe.DeclineCodeInvalidExpiryMonth: payment.DeclineExpired,
	stripe.DeclineCodeInvalidExpiryYear:  payment.DeclineExpired,

	stripe.DeclineCodeIncorrectCVC: payment.DeclineSecurityCode,
	stripe.DeclineCodeInvalidCVC:   payment.DeclineSecurityCode,

	stripe.DeclineCodeIncorrectZip: payment.DeclineAddress,
	"incorrect_address":            payment.DeclineAddress,

	stripe.DeclineCodeIncorrectNumber:                payment.DeclineMethod,
	stripe.DeclineCodeInvalidNumber:                  payment.DeclineMethod,
	stripe.DeclineCodeInvalidAccount:                 payment.DeclineMethod,
	stripe.DeclineCodeNewAccountInformationAvailable: payment.DeclineMethod,

	stripe.DeclineCodeFraudulent:        payment.DeclineFraud,
	stripe.DeclineCodeMerchantBlacklist: payment.DeclineFraud,
	"highest_risk_level":                payment.DeclineFraud,
	stripe.DeclineCodeLostCard:          payment.DeclineFraud,
	stripe.DeclineCodeStolenCard:        payment.DeclineFraud,
	// "It's possible it was reported lost or stolen."
	stripe.DeclineCodePickupCard:     payment.DeclineFraud,
	stripe.DeclineCodeRestrictedCard: payment.DeclineFraud,

	stripe.DeclineCodeCardNotSupported:      payment.DeclineNotPermitted,
	stripe.DeclineCodeCurrencyNotSupported:  payment.DeclineNotPermitted,
	stripe.DeclineCodeNotPermitted:          payment.DeclineNotPermitted,
	stripe.DeclineCodeServiceNotAllowed:     payment.DeclineNotPermitted,
	stripe.DeclineCodeTransactionNotAllowed: payment.DeclineNotPermitted,
}

// errorCodes translates Stripe's error codes (docs.stripe.com/error-codes), which count if there is no
// decline code.
var errorCodes = map[stripe.ErrorCode]string{
	stripe.ErrorCodeAuthenticationRequired:             payment.DeclineAuthentication,
	stripe.ErrorCodePaymentIntentAuthenticationFailure: payment.DeclineAuthentication,
	stripe.ErrorCodeSetupIntentAuthenticationFailure:   payment.DeclineAuthentication,
	stripe.ErrorCodeInsufficientFunds:                  payment.DeclineFunds,
	stripe.ErrorCodeAmountTooLarge:                     payment.DeclineLimit,
	stripe.ErrorCodeCardDeclineRateLimitExceeded:       payment.DeclineLimit,
	stripe.ErrorCodeExpiredCard:                        payment.DeclineExpired,
	stripe.ErrorCodeInvalidExpiryMonth:                 payment.DeclineExpired,
	stripe.ErrorCodeInvalidExpiryYear:                  payment.DeclineExpired,
	stripe.ErrorCodeIncorrectCVC:                       payment.DeclineSecurityCode,
	stripe.ErrorCodeInvalidCVC:                         payment.DeclineSecurityCode,
	stripe.ErrorCodeIncorrectAddress:                   payment.DeclineAddress,
	stripe.ErrorCodeIncorrectZip:                       payment.DeclineAddress,
	stripe.ErrorCodeIncorrectNumber:                    payment.DeclineMethod,
	stripe.ErrorCodeInvalidNumber:                      payment.DeclineMethod,
	stripe.ErrorCodeResourceMissing:                    payment.DeclineMethod, // of the payment method
	stripe.ErrorCodePaymentMethodUnexpectedState:       payment.DeclineMethod,
	stripe.ErrorCodePaymentMethodInvalidParameter:      payment.DeclineMethod,
	stripe.ErrorCodeTokenAlreadyUsed:                   payment.DeclineMethod,
	stripe.ErrorCodeBankAccountUnusable:                payment.DeclineMethod,
}

// declineCode returns our code for a decline.
func declineCode(code, decline string) string {
	if ours, found := declineCodes[stripe.DeclineCode(decline)]; found {
		return ours
	}
	if ours, found := errorCodes[stripe.ErrorCode(code)]; found {
		return ours
	}
	return payment.DeclineCard
}
