package payment

// The codes of a declined payment, refund, capture or void that do not depend on the gateway. A gateway that speaks the gateway
// protocol may send further codes, which are passed on.
const (
	// DeclineCard: the issuer gave no reason, or one that no other code covers.
	DeclineCard = "card_declined"
	// DeclineFunds: the account does not cover the amount.
	DeclineFunds = "insufficient_funds"
	// DeclineExpired: the card has expired, or the expiration date is wrong.
	DeclineExpired = "expired_card"
	// DeclineSecurityCode: the card's security code is wrong.
	DeclineSecurityCode = "incorrect_security_code"
	// DeclineAddress: the address or the postal code does not match the card's.
	DeclineAddress = "incorrect_address"
	// DeclineMethod: the payment method does not exist, was used up, or is not valid.
	DeclineMethod = "invalid_payment_method"
	// DeclineFraud: the issuer or the gateway suspects fraud, or the card is lost or stolen.
	DeclineFraud = "fraud"
	// DeclineAuthentication: the customer was not authenticated, or must be.
	DeclineAuthentication = "authentication_failed"
	// DeclineLimit: the amount or the number of payments exceeds a limit of the account.
	DeclineLimit = "limit_exceeded"
	// DeclineNotPermitted: the card does not allow this kind of payment or this currency.
	DeclineNotPermitted = "not_permitted"
	// DeclineAbandoned: the customer had to act and did not, and the charge was cancelled.
	DeclineAbandoned = "abandoned"

	// DeclineExceeds: the refund or the capture exceeds what is left of its charge.
	DeclineExceeds = "amount_exceeds_charge"
	// DeclineSucceeded: the charge has succeeded already, so that it cannot be captured again or voided.
	DeclineSucceeded = "already_succeeded"
	// DeclineVoided: the charge was voided, so that it cannot be captured.
	DeclineVoided = "already_voided"
	// DeclineHoldExpired: the authorization has expired, so that it cannot be captured.
	DeclineHoldExpired = "authorization_expired"
)

// DeclineCodes returns the codes that do not depend on the gateway.
func DeclineCodes() []string {
	return []string{
		DeclineCard, DeclineFunds, DeclineExpired, DeclineSecurityCode, DeclineAddress, DeclineMethod,
		DeclineFraud, DeclineAuthentication, DeclineLimit, DeclineNotPermitted, DeclineAbandoned,
		DeclineExceeds, DeclineSucceeded, DeclineVoided, DeclineHoldExpired,
	}
}
