package payment_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func TestParseMoney(t *testing.T) {
	t.Parallel()
	tests := []struct {
		amount, currency string
		minor            int64
		decimal          string
	}{
		{"100", "USD", 100_00, "100.00"},
		{"100.0", "USD", 100_00, "100.00"},
		{"100.00", "USD", 100_00, "100.00"},
		{"0.01", "USD", 1, "0.01"},
		{"0.1", "USD", 10, "0.10"},
		{"0.30", "USD", 30, "0.30"},
		{"1.05", "USD", 1_05, "1.05"},
		{"19.99", "USD", 19_99, "19.99"},
		{"1", "JPY", 1, "1"},
		{"1000", "JPY", 1000, "1000"},
		{"1.5", "KWD", 1_500, "1.500"},
		{"0.001", "KWD", 1, "0.001"},
		{"0.0001", "CLF", 1, "0.0001"},
		{"39000.1234", "UYW", 39000_1234, "39000.1234"},
		{"9999999999999.99", "USD", 9999999999999_99, "9999999999999.99"},
		{"999999999999999", "USD", 999999999999999_00, "999999999999999.00"},
		{"999999999999999.00", "USD", 999999999999999_00, "999999999999999.00"},
		{"999999999999999", "JPY", 999999999999999, "999999999999999"},
		{"922337203685477", "CLF", 922337203685477_0000, "922337203685477.0000"},
	}
	for _, test := range tests {
		t.Run(test.amount+" "+test.currency, func(t *testing.T) {
			t.Parallel()
			currency := currencyOf(t, test.currency)
			money, err := payment.ParseMoney(test.amount, currency)
			require.NoError(t, err)
			require.Equal(t, test.minor, money.Minor())
			require.Equal(t, currency, money.Currency())
			require.False(t, money.IsZero())
			require.Equal(t, test.decimal, money.Decimal())
			require.Equal(t, test.decimal+" "+test.currency, money.String())
		})
	}
}

func TestParseMoney_Refusals(t *testing.T) {
	t.Parallel()
	const (
		negative  = "amount must be above zero, without a minus sign"
		exponent  = "amount must be written without an exponent: 1000, not 1e3"
		malformed = "amount must be digits with at most one decimal point, such as 100 or 9.99"
		point     = "amount must have digits before and after its decimal point, such as 0.5"
		leading   = "amount must be written without leading zeros: 7, not 007"
		zero      = "amount must be above zero"
		tooLong   = "amount must have at most 15 digits"
	)
	tests := []struct {
		name, currency, message string
		amounts                 []string
	}{
		{"negative", "USD", negative, []string{"-1", "-0", "-0.00", "-100.00", "-1e5", "-"}},
		{"exponent", "USD", exponent, []string{"1e3", "1E3", "1e+3", "1.5e-1", "0e0", "1E400", "5.e3"}},
		{"malformed", "USD", malformed, []string{
			"", " ", " 1", "1 ", "1\n", "+1", "1,000", "1,50", "1_000", "1.2.3", "1..2", "1/2", "1:2", "..", "0x10", "ten",
			"e3", ".e3", "NaN", "Infinity", "null", "$5", "5 USD", "−5", "٣", "１", "1\x00", "\xff", `"1"`,
		}},
		{"bare point", "USD", point, []string{".", ".5", "5.", "0."}},
		{"leading zeros", "USD", leading, []string{"00", "01", "007", "00.5", "0000000000000000000001"}},
		{"zero", "USD", zero, []string{"0", "0.0", "0.00"}},
		{"zero without decimals", "JPY", zero, []string{"0"}},
		{"third decimal", "USD", "amount must have at most 2 decimals in USD", []string{
			"0.001", "1.000", "100.001", "0." + strings.Repeat("0", 1000),
		}},
		{"fourth decimal", "KWD", "amount must have at most 3 decimals in KWD", []string{"1.0005"}},
		{"fifth decimal", "CLF", "amount must have at most 4 decimals in CLF", []string{"1.00005"}},
		{"any decimal", "JPY", "amount must have no decimals in JPY", []string{"1.5", "100.0"}},
		{"too many digits", "USD", tooLong, []string{
			"1000000000000000", "99999999999999.99", "100000000000000.1", strings.Repeat("9", 60_000),
		}},
		{"too many digits of a small unit", "CLF", tooLong, []string{"922337203685477.5807"}},
		{"beyond 64 bits", "CLF", "amount must be at most 922337203685477 in CLF", []string{
			"922337203685478", "922337203685478.0000", "999999999999999",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, amount := range test.amounts {
				money, err := payment.ParseMoney(amount, currencyOf(t, test.currency))
				requireFieldError(t, err, "amount", test.message)
				require.True(t, money.IsZero(), "%.100q", amount)
			}
		})
	}
}

func TestParseMoney_NeedsACurrency(t *testing.T) {
	t.Parallel()
	_, err := payment.ParseMoney("100", payment.Currency{})
	requireFieldError(t, err, "currency",
		"currency must be an active ISO 4217 code with a minor unit, such as USD")
}

func TestMoneyFromMinor(t *testing.T) {
	t.Parallel()
	usd := currencyOf(t, "USD")

	money, err := payment.MoneyFromMinor(10_50, usd)
	require.NoError(t, err)
	require.Equal(t, "10.50 USD", money.String())

	money, err = payment.MoneyFromMinor(math.MaxInt64, usd)
	require.NoError(t, err)
	require.Equal(t, "92233720368547758.07 USD", money.String())

	tests := []struct {
		name     string
		minor    int64
		currency payment.Currency
		message  string
	}{
		{"zero", 0, usd, "stored amount of 0 minor units of USD is not above zero"},
		{"negative", -1, usd, "stored amount of -1 minor units of USD is not above zero"},
		{"no currency", 100, payment.Currency{}, "stored amount of 100 minor units has no currency"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			money, err := payment.MoneyFromMinor(test.minor, test.currency)
			require.EqualError(t, err, test.message)
			require.NotErrorAs(t, err, new(*payment.FieldError), "no client can repair a stored row")
			require.True(t, money.IsZero())
		})
	}
}

func TestMoney_Compares(t *testing.T) {
	t.Parallel()
	parse := func(amount, code string) payment.Money {
		money, err := payment.ParseMoney(amount, currencyOf(t, code))
		require.NoError(t, err)
		return money
	}
	require.True(t, parse("100", "USD") == parse("100.00", "USD"))
	require.False(t, parse("100", "USD") == parse("100.01", "USD"))
	require.False(t, parse("100", "USD") == parse("100", "EUR"))
	require.False(t, parse("1", "USD") == parse("100", "JPY"), "the same minor units of another currency")
	require.True(t, payment.Money{}.IsZero())
}

// AllocsPerRun counts the whole process, so this test does not run in parallel.
func TestMoney_Allocations(t *testing.T) {
	usd := currencyOf(t, "USD")
	money, err := payment.ParseMoney("1234.50", usd)
	require.NoError(t, err)
	var text string

	require.Zero(t, testing.AllocsPerRun(100, func() { money, err = payment.ParseMoney("1234.50", usd) }))
	require.Zero(t, testing.AllocsPerRun(100, func() { usd, err = payment.ParseCurrency("USD") }))
	require.EqualValues(t, 1, testing.AllocsPerRun(100, func() { text = money.Decimal() }))
	require.EqualValues(t, 1, testing.AllocsPerRun(100, func() { text = money.String() }))
	require.Equal(t, "1234.50 USD", text)
	require.NoError(t, err)
}
