package payment_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func TestParseOrderID(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"1", "order-123", "Order-1", "!", "~", `"\/%_'`, "a+b=c&d?e#f", strings.Repeat("x", 128),
	} {
		id, err := payment.ParseOrderID(s)
		require.NoError(t, err, s)
		require.Equal(t, s, id.String())
	}
}

func TestParseOrderID_Refusals(t *testing.T) {
	t.Parallel()
	const (
		empty     = "order_id must not be empty"
		long      = "order_id must have at most 128 characters"
		printable = "order_id must consist of printable ASCII characters without spaces"
	)
	for s, message := range map[string]string{
		"":                       empty,
		strings.Repeat("x", 129): long,
		strings.Repeat("ж", 65):  long,
		" ":                      printable,
		"order 1":                printable,
		" order":                 printable,
		"order ":                 printable,
		"order\n":                printable,
		"order\x00":              printable,
		"order\x7f":              printable,
		"ordeг":                  printable,
		"order\xff":              printable,
		"order\u00a0":            printable,
	} {
		id, err := payment.ParseOrderID(s)
		requireFieldError(t, err, "order_id", message)
		require.Empty(t, id)
	}
}
