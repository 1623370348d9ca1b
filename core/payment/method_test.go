package payment_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func TestParsePaymentMethod(t *testing.T) {
	t.Parallel()
	for _, valid := range []string{
		"pm_1N3T", "cnon:card-nonce-ok", "~", strings.Repeat("m", 255),
		"4242424242424241",     // fails the Luhn check
		"424242424242",         // 12 digits
		"42424242424242424242", // 20 digits
	} {
		m, err := payment.ParsePaymentMethod(valid)
		require.NoError(t, err, valid)
		require.Equal(t, payment.PaymentMethod(valid), m)
	}
	for _, invalid := range []string{
		"", " ", "pm 1", "pm\n", "pmé", strings.Repeat("m", 256),
		"4242424242424242", "5555-5555-5555-4444", "378282246310005", "6011111111111117", "4242_4242_4242_4242", "4242424242424242;12/30", ";4242424242424242=30121010000000000000?",
		"4000 0000 0000 0002", "4222222222222",
	} {
		_, err := payment.ParsePaymentMethod(invalid)
		var refused *payment.FieldError
		require.ErrorAs(t, err, &refused, invalid)
		require.Equal(t, "payment_method", refused.Field)
		require.NotContains(t, refused.Message, "4242")
	}
}
