package payment_test

import (
	"math"
	"math/big"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

var plainDecimal = regexp.MustCompile(`\A(0|[1-9][0-9]*)(\.[0-9]+)?\z`)

// FuzzParseMoney compares ParseMoney with an oracle that shares no code with it: a
// regular expression for the form, and exact rational numbers for the value.
func FuzzParseMoney(f *testing.F) {
	for _, amount := range []string{
		"100", "100.00", "0.01", "0.5", "19.99", "1.500", "0.0001", "0", "0.00", "-1", "-0", "+1", "1e3", "1E-2",
		"1.", ".5", ".", "", " 1", "1 ", "01", "00.1", "1,5", "1.2.3", "NaN", "0x1p4", "1/2", "1_0", "٣",
		"999999999999999", "9999999999999999", "999999999999999.00", "9999999999999.99", "99999999999999.999",
		"922337203685477", "922337203685478", "92233720368547.7580", "92233720368547758.07",
	} {
		f.Add(amount)
	}
	// One currency for each number of decimals.
	currencies := []payment.Currency{
		currencyOf(f, "JPY"), currencyOf(f, "USD"), currencyOf(f, "KWD"), currencyOf(f, "CLF"),
	}
	f.Fuzz(func(t *testing.T, amount string) {
		for _, currency := range currencies {
			requireAsOracle(t, amount, currency)
		}
	})
}

func requireAsOracle(t *testing.T, amount string, currency payment.Currency) {
	t.Helper()
	money, err := payment.ParseMoney(amount, currency)
	want, acceptable := oracleMinor(amount, currency.Decimals())
	if !acceptable {
		requireClientSentence(t, err)
		require.True(t, money.IsZero())
		return
	}
	require.NoError(t, err)
	require.Equal(t, want, money.Minor())

	again, err := payment.ParseMoney(money.Decimal(), currency)
	require.NoError(t, err)
	require.Equal(t, money, again)
	stored, err := payment.MoneyFromMinor(money.Minor(), currency)
	require.NoError(t, err)
	require.Equal(t, money, stored)
}

// oracleMinor returns the minor units of an amount, or false if it must be refused.
func oracleMinor(amount string, decimals int) (minor int64, acceptable bool) {
	if !plainDecimal.MatchString(amount) {
		return 0, false
	}
	whole, fraction, _ := strings.Cut(amount, ".")
	if len(fraction) > decimals || len(whole+strings.TrimRight(fraction, "0")) > 15 {
		return 0, false
	}
	value, isNumber := new(big.Rat).SetString(amount)
	if !isNumber {
		return 0, false
	}
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)
	value.Mul(value, new(big.Rat).SetInt(scale))
	limit := new(big.Rat).SetInt64(math.MaxInt64)
	if !value.IsInt() || value.Sign() <= 0 || value.Cmp(limit) > 0 {
		return 0, false
	}
	return value.Num().Int64(), true
}
