package squaregateway

import (
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// refundErrors are the errors of RefundPayment in Square's API specification (x-endpoint-errors), with the category
// of each (ErrorCode) and what it means here; an empty code is a rejection.
var refundErrors = map[string]struct{ category, want string }{
	"CARD_MISMATCH":                         {"REFUND_ERROR", payment.DeclineMethod},
	"CARD_PRESENCE_REQUIRED":                {"INVALID_REQUEST_ERROR", ""},
	"CARD_TOKEN_USED":                       {"INVALID_REQUEST_ERROR", payment.DeclineMethod},
	"GENERIC_DECLINE":                       {"PAYMENT_METHOD_ERROR", payment.DeclineCard},
	"INSUFFICIENT_PERMISSIONS_FOR_REFUND":   {"REFUND_ERROR", ""},
	"INVALID_CARD":                          {"PAYMENT_METHOD_ERROR", payment.DeclineMethod},
	"INVALID_CARD_DATA":                     {"INVALID_REQUEST_ERROR", payment.DeclineMethod},
	"INVALID_FEES":                          {"PAYMENT_METHOD_ERROR", ""},
	"PAYMENT_NOT_REFUNDABLE":                {"REFUND_ERROR", payment.DeclineNotPermitted},
	"PAYMENT_NOT_REFUNDABLE_DUE_TO_DISPUTE": {"REFUND_ERROR", payment.DeclineNotPermitted},
	"REFUND_AMOUNT_INVALID":                 {"REFUND_ERROR", payment.DeclineLimit},
	"REFUND_DECLINED":                       {"REFUND_ERROR", payment.DeclineCard},
	"REFUND_ERROR_PAYMENT_NEEDS_COMPLETION": {"REFUND_ERROR", ""},
	"UNSUPPORTED_CARD_BRAND":                {"PAYMENT_METHOD_ERROR", payment.DeclineNotPermitted},
	"UNSUPPORTED_COUNTRY":                   {"INVALID_REQUEST_ERROR", ""},
	"UNSUPPORTED_CURRENCY":                  {"INVALID_REQUEST_ERROR", ""},
	"UNSUPPORTED_INSTRUMENT_TYPE":           {"INVALID_REQUEST_ERROR", ""},
	"UNSUPPORTED_SOURCE_TYPE":               {"INVALID_REQUEST_ERROR", ""},
	"VALUE_TOO_HIGH":                        {"INVALID_REQUEST_ERROR", ""},
	"VERSION_MISMATCH":                      {"INVALID_REQUEST_ERROR", ""},
}

func TestAPIError_EveryErrorOfRefundPayment_IsDecided(t *testing.T) {
	t.Parallel()
	for code, tt := range refundErrors {
		e := apiError{category: tt.category, code: code}
		if tt.want == "" {
			require.Equal(t, payment.ClassRejected, e.refundClass(), code)
			continue
		}
		require.Equal(t, payment.ClassDeclined, e.refundClass(), code)
		require.Equal(t, tt.want, declineRefund("", []apiError{e}).Code, code)
	}
	for code, ours := range refundDeclines {
		require.Contains(t, payment.DeclineCodes(), ours, code)
	}
}
