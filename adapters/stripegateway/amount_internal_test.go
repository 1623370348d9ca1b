package stripegateway

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// stripeTable is Stripe's table of currencies (docs.stripe.com/currencies), written a second time by what is
// charged for one unit. Every other currency of ISO 4217 is not charged.
var stripeTable = map[string]string{
	"1": "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF",
	"100": "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CNY COP CRC CVE " +
		"CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR ISK JMD KES KGS KHR " +
		"KYD KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK " +
		"PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SEK SGD SHP SLE SOS SRD STN SZL THB TJS TOP TRY TTD TWD TZS UAH UGX USD " +
		"UYU UZS WST XCD XCG YER ZAR ZMW",
	"1000": "BHD JOD KWD OMR TND",
}

// isoCodes returns every code that the domain accepts.
func isoCodes() []string {
	var all []string
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			for c := 'A'; c <= 'Z'; c++ {
				code := string([]rune{a, b, c})
				if _, err := payment.ParseCurrency(code); err == nil {
					all = append(all, code)
				}
			}
		}
	}
	return all
}

func parse(t *testing.T, amount, code string) payment.Money {
	t.Helper()
	c, err := payment.ParseRecordedCurrency(code)
	require.NoError(t, err)
	m, err := payment.ParseMoney(amount, c)
	require.NoError(t, err)
	return m
}

// One unit, and back, in every currency of ISO 4217.
func TestAmountOf_EveryCurrency_HasStripesFactor(t *testing.T) {
	t.Parallel()
	factors := map[string]int64{}
	for factor, codes := range map[int64]string{1: stripeTable["1"], 100: stripeTable["100"], 1000: stripeTable["1000"]} {
		for code := range strings.FieldsSeq(codes) {
			factors[code] = factor
		}
	}
	codes := isoCodes()
	require.Len(t, codes, 165)
	charged := 0
	for _, code := range codes {
		m := parse(t, "7", code)
		amount, currency, err := amountOf(m)
		factor, supported := factors[code]
		if !supported {
			require.ErrorContains(t, err, "does not charge in "+code)
			_, err = moneyOf(700, strings.ToLower(code))
			require.Error(t, err)
			continue
		}
		charged++
		require.NoError(t, err, code)
		require.Equal(t, 7*factor, amount, code)
		require.Equal(t, strings.ToLower(code), currency)
		back, err := moneyOf(amount, currency)
		require.NoError(t, err, code)
		require.Equal(t, m, back, code)
	}
	require.Equal(t, len(factors), charged, "the table has a currency that is not in ISO 4217")
}

func TestAmountOf_Fractions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		amount, code string
		want         int64  // 0 for an error
		wantErr      string // a part of it
	}{
		{"10.50", "USD", 1050, ""},
		{"0.01", "EUR", 1, ""},
		{"500", "JPY", 500, ""},
		{"5", "ISK", 500, ""},
		{"5", "UGX", 500, ""},
		{"10.45", "HUF", 1045, ""},
		{"800.45", "TWD", 80045, ""},
		{"1.10", "LAK", 110, ""},
		{"5.120", "KWD", 5120, ""},
		{"5.124", "KWD", 0, "the third decimal must be 0 in KWD"},
		{"0.001", "BHD", 0, "the third decimal must be 0"},
		{"7.00", "MGA", 7, ""},
		{"7.20", "MGA", 0, "whole MGA only"},
		{"7.001", "IQD", 0, "does not charge in IQD"},
		{"7", "LYD", 0, "does not charge in LYD"},
		{"7", "CLF", 0, "does not charge in CLF"},
		{"9999999999.99", "IDR", 999_999_999_999, ""},
		{"10000000000.00", "IDR", 0, "12 digits"},
		{"999999999999999", "UGX", 0, "12 digits"},
		{"999999999999999", "USD", 0, "12 digits"},
		{"1000000000000", "JPY", 0, "12 digits"},
	} {
		amount, _, err := amountOf(parse(t, tt.amount, tt.code))
		require.Equal(t, tt.want, amount, "%s %s", tt.amount, tt.code)
		if tt.wantErr == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, tt.wantErr)
		}
	}
}

// Stripe's records may have amounts that no request of ours had.
func TestMoneyOf_NotOfOurs_IsAnError(t *testing.T) {
	t.Parallel()
	for currency, amount := range map[string]int64{"isk": 550, "usd": 0, "eur": -1, "gbp": 1 << 60, "xxx": 1, "": 1} {
		_, err := moneyOf(amount, currency)
		require.Error(t, err, currency)
	}
	m, err := moneyOf(5124, "kwd")
	require.NoError(t, err)
	require.Equal(t, parse(t, "5.124", "KWD"), m)
}
