package squaregateway

import (
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// createErrors are the errors of CreatePayment in Square's API specification (x-endpoint-errors), with
// what each means here as a PAYMENT_METHOD_ERROR.
var createErrors = map[string]string{
	"ADDRESS_VERIFICATION_FAILURE": payment.DeclineAddress, "ALLOWABLE_PIN_TRIES_EXCEEDED": payment.DeclineAuthentication,
	"APPLE_TTP_PIN_TOKEN": payment.DeclineAuthentication, "BAD_EXPIRATION": payment.DeclineExpired,
	"CARDHOLDER_INSUFFICIENT_PERMISSIONS": payment.DeclineNotPermitted, "CARD_DECLINED_VERIFICATION_REQUIRED": payment.DeclineAuthentication,
	"CARD_EXPIRED": payment.DeclineExpired, "CARD_NOT_SUPPORTED": payment.DeclineNotPermitted, "CARD_PROCESSING_NOT_ENABLED": "",
	"CARD_TOKEN_EXPIRED": payment.DeclineMethod, "CARD_TOKEN_USED": payment.DeclineMethod, "CHIP_INSERTION_REQUIRED": payment.DeclineNotPermitted,
	"CVV_FAILURE": payment.DeclineSecurityCode, "EXPIRATION_FAILURE": payment.DeclineExpired, "GENERIC_DECLINE": payment.DeclineCard,
	"GIFT_CARD_AVAILABLE_AMOUNT": payment.DeclineFunds, "INSUFFICIENT_FUNDS": payment.DeclineFunds, "INSUFFICIENT_PERMISSIONS": "",
	"INVALID_ACCOUNT": payment.DeclineMethod, "INVALID_CARD": payment.DeclineMethod, "INVALID_CARD_DATA": payment.DeclineMethod,
	"INVALID_EXPIRATION": payment.DeclineExpired, "INVALID_FEES": "", "INVALID_LOCATION": "", "INVALID_PIN": payment.DeclineAuthentication,
	"INVALID_POSTAL_CODE": payment.DeclineAddress, "ISSUER_INSTALLMENT_ERROR": payment.DeclineNotPermitted,
	"MANUALLY_ENTERED_PAYMENT_NOT_SUPPORTED": payment.DeclineNotPermitted, "PAN_FAILURE": payment.DeclineMethod,
	"PAYMENT_AMOUNT_MISMATCH": "", "PAYMENT_LIMIT_EXCEEDED": payment.DeclineLimit, "TRANSACTION_LIMIT": payment.DeclineLimit,
	"VOICE_FAILURE": payment.DeclineCard,
}

func TestAPIError_EveryErrorOfCreatePayment_IsDecided(t *testing.T) {
	t.Parallel()
	for code, want := range createErrors {
		e := apiError{category: "PAYMENT_METHOD_ERROR", code: code}
		if want == "" {
			require.Equal(t, payment.ClassRejected, e.class(), code)
			continue
		}
		require.Equal(t, payment.ClassDeclined, e.class(), code)
		require.Equal(t, want, decline([]apiError{e}).Code, code)
	}
	for code, ours := range declines {
		require.Contains(t, payment.DeclineCodes(), ours, code)
	}
	require.Equal(t, payment.DeclineCard, decline(nil).Code)
}

// A card that the customer typed wrong is a decline, although it is an invalid request for Square.
func TestAPIError_InvalidRequest_IsADeclineIfItIsAboutTheSource(t *testing.T) {
	t.Parallel()
	for _, e := range []apiError{
		{category: "INVALID_REQUEST_ERROR", code: "CARD_TOKEN_USED"},
		{category: "INVALID_REQUEST_ERROR", code: "INVALID_CARD_DATA"},
		{category: "INVALID_REQUEST_ERROR", code: "NOT_FOUND", field: "source_id"},
	} {
		require.Equal(t, payment.ClassDeclined, e.class(), e)
		require.Equal(t, payment.DeclineMethod, decline([]apiError{e}).Code, e)
	}
	require.Equal(t, payment.ClassRejected, apiError{category: "INVALID_REQUEST_ERROR", code: "GENERIC_DECLINE"}.class())
	require.Equal(t, payment.ClassRejected, apiError{category: "INVALID_REQUEST_ERROR", code: "NOT_FOUND", field: "location_id"}.class())
}
