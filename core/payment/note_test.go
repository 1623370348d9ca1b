package payment_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func TestParseRefundReason_ByText(t *testing.T) {
	t.Parallel()
	for _, accepted := range []string{
		"damaged in transit", "Größe passt nicht", "0", strings.Repeat("a", 500),
		"order 550e8400-e29b-41d4-a716-446655440000", "at 1735689600000", "on 20261128185619", "tel. +49 30 901820",
		"ref4242424242424242", "4242424242424241", "see 4242 and 4242 4242",
	} {
		reason, err := payment.ParseRefundReason(accepted)
		require.NoError(t, err, accepted)
		require.Equal(t, accepted, reason)
	}
	for refused, says := range map[string]string{
		"": "reason must not be empty; leave it out if there is none", " ": "reason must not be empty; leave it out if there is none",
		strings.Repeat("a", 501):              "reason must have at most 500 bytes",
		"two\nlines":                          "reason must be text in one line, without control characters",
		"bell\a":                              "reason must be text in one line, without control characters",
		"\xFF":                                "reason must be text in one line, without control characters",
		"charged card 4242424242424242 12/27": "reason must not contain a card number",
		"4242424242424242 123":                "reason must not contain a card number",
		"12/27 4242424242424242":              "reason must not contain a card number",
		"no. 1 4242424242424242":              "reason must not contain a card number",
		"4242.4242.4242.4242":                 "reason must not contain a card number",
		"4242  4242 - 4242  4242":             "reason must not contain a card number",
		"123-4242424242424242":                "reason must not contain a card number",
		"4242424242424242":                    "reason must not contain a card number", "card 4242 4242 4242 4242, exp": "reason must not contain a card number",
		"(4242-4242-4242-4242)": "reason must not contain a card number", "amex 378282246310005": "reason must not contain a card number",
		"2223003122003222": "reason must not contain a card number",
	} {
		_, err := payment.ParseRefundReason(refused)
		field, ok := err.(*payment.FieldError) //nolint:errorlint // never wrapped
		require.True(t, ok, "%q", refused)
		require.Equal(t, payment.FieldError{Field: "reason", Message: says}, *field, "%q", refused)
	}
}

func TestParseRefundID_ByText(t *testing.T) {
	t.Parallel()
	for _, accepted := range []string{
		"r-1", "a/b", "...", "%2F", "1735689600000", "20261128185619", "refund-4242424242424242", strings.Repeat("a", 128),
		"550e8400-e29b-41d4-a716-446655440000",
	} {
		id, err := payment.ParseRefundID(accepted)
		require.NoError(t, err, accepted)
		require.Equal(t, payment.OperationID{Kind: payment.KindRefund, Name: accepted}, id)
	}
	for refused, says := range map[string]string{
		"": "must not be empty", ".": "must not be . or ..", "..": "must not be . or ..", "a b": "must consist of printable ASCII characters",
		"é": "must consist of printable ASCII characters", strings.Repeat("a", 129): "must have at most 128 characters",
		"4242424242424242": "must not be a card number", "4242-4242-4242-4242": "must not be a card number",
	} {
		_, err := payment.ParseRefundID(refused)
		require.ErrorContains(t, err, "refund_id "+says, "%q", refused)
	}
}
