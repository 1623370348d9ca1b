package squaregateway

import (
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// Every ISO currency is either one of those in which Square processes payments, with the smallest unit
// that its documentation names, or refused.
func TestMoneyOf_EveryCurrency(t *testing.T) {
	t.Parallel()
	want := map[string]struct {
		amount string
		minor  int64
	}{
		"AUD": {"12.34", 1234}, "CAD": {"12.34", 1234}, "EUR": {"12.34", 1234}, "GBP": {"12.34", 1234}, "USD": {"12.34", 1234},
		"JPY": {"1234", 1234},
	}
	known, taken := 0, 0
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			for c := 'A'; c <= 'Z'; c++ {
				code := string([]rune{a, b, c})
				currency, err := payment.ParseCurrency(code)
				if err != nil {
					continue
				}
				known++
				amount, supported := "1", want[code]
				if supported.amount != "" {
					amount = supported.amount
				}
				m, err := payment.ParseMoney(amount, currency)
				require.NoError(t, err)
				got, err := moneyOf(m)
				if supported.amount == "" {
					require.ErrorContains(t, err, code)
					continue
				}
				require.NoError(t, err)
				require.Equal(t, money{Amount: supported.minor, Currency: code}, got)
				taken++
			}
		}
	}
	require.Equal(t, len(want), taken)
	require.Greater(t, known, 150)

	largest, err := payment.ParseCurrency("JPY")
	require.NoError(t, err)
	m, err := payment.ParseMoney("999999999999999", largest)
	require.NoError(t, err)
	got, err := moneyOf(m)
	require.NoError(t, err)
	require.EqualValues(t, 999999999999999, got.Amount)
}
