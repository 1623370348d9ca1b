package payment_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// everyCode returns the currencies of the table in alphabetical order, found by
// asking for each of the 17,576 codes that three letters make.
func everyCode() []payment.Currency {
	var known []payment.Currency
	code := make([]byte, 3)
	for code[0] = 'A'; code[0] <= 'Z'; code[0]++ {
		for code[1] = 'A'; code[1] <= 'Z'; code[1]++ {
			for code[2] = 'A'; code[2] <= 'Z'; code[2]++ {
				if currency, err := payment.ParseCurrency(string(code)); err == nil {
					known = append(known, currency)
				}
			}
		}
	}
	return known
}

func currencyOf(t testing.TB, code string) payment.Currency {
	t.Helper()
	currency, err := payment.ParseCurrency(code)
	require.NoError(t, err)
	require.Equal(t, code, currency.Code())
	return currency
}

// listOneCodes is List One as published on 2026-09-17, in its alphabetical order and
// without the 13 codes that have no minor unit. It is a separate copy of the table,
// which is by decimals, so that a mistake in either is found.
const listOneCodes = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BOV BRL BSD " +
	"BTN BWP BYN BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK " +
	"DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF " +
	"IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP " +
	"LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD " +
	"NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD " +
	"SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD " +
	"TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAD XAF XCD XCG XOF " +
	"XPF YER ZAR ZMW ZWG"

func TestCurrencies_AreListOne(t *testing.T) {
	t.Parallel()
	var codes []string
	codesByDecimals := map[int]int{}
	for _, currency := range everyCode() {
		codes = append(codes, currency.Code())
		codesByDecimals[currency.Decimals()]++
	}
	require.Equal(t, strings.Fields(listOneCodes), codes)
	require.Equal(t, map[int]int{0: 17, 2: 139, 3: 7, 4: 2}, codesByDecimals)
}

// Codes that other tables have wrong, and the most common ones.
func TestCurrency_Decimals(t *testing.T) {
	t.Parallel()
	decimals := map[string]int{
		"BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0,
		"RWF": 0, "UGX": 0, "UYI": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
		"AFN": 2, "CHE": 2, "COU": 2, "EUR": 2, "HUF": 2, "IDR": 2, "MGA": 2, "MRU": 2, "MXV": 2,
		"SLE": 2, "TWD": 2, "USD": 2, "USN": 2, "VED": 2, "VES": 2, "XAD": 2, "XCG": 2, "ZWG": 2,
		"BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
		"CLF": 4, "UYW": 4,
	}
	for code, want := range decimals {
		require.Equal(t, want, currencyOf(t, code).Decimals(), code)
	}
}

func TestParseCurrency_Refusals(t *testing.T) {
	t.Parallel()
	const unknown = "currency must be an active ISO 4217 code with a minor unit, such as USD"
	tests := []struct {
		name    string
		codes   []string
		message string
	}{
		{"withdrawn", []string{"ANG", "BGN", "CUC", "HRK", "MRO", "SLL", "STD", "VEF", "ZWL"}, unknown},
		{"without a minor unit", []string{
			"XAG", "XAU", "XBA", "XBB", "XBC", "XBD", "XDR", "XPD", "XPT", "XSU", "XTS", "XUA", "XXX",
		}, unknown},
		{"not a code", []string{"", " ", "U", "US", "USDD", "USD ", " USD", "840", "\x00\x00\x00", "U\xffD", "ＵＳＤ"}, unknown},
		{"lower case", []string{"usd", "Usd", "usD"}, "currency must be in upper case: USD"},
		{"lower case of an unknown code", []string{"bgn", "xxx"}, unknown},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, code := range test.codes {
				currency, err := payment.ParseCurrency(code)
				requireFieldError(t, err, "currency", test.message)
				require.Zero(t, currency, "%q", code)
			}
		})
	}
}

// They are read from stored rows, with the minor units that they had, and refused as input.
func TestCurrencies_ThatLeftISO4217(t *testing.T) {
	t.Parallel()
	decimals := map[int]string{
		0: "ADP BEF BYB BYR ESP GRD ITL LUF MGF PTE TPE TRL",
		2: "ANG ATS BGL BGN CUC CYP DEM EEK FIM FRF GHC HRK IEP LTL LVL MRO MTL NLG ROL SIT SKK SLL STD VEB VEF ZMK ZWD ZWL ZWR",
	}
	for want, codes := range decimals {
		for code := range strings.FieldsSeq(codes) {
			_, err := payment.ParseCurrency(code)
			requireFieldError(t, err, "currency", "currency must be an active ISO 4217 code with a minor unit, such as USD")
			money, err := payment.StoredMoney("order-1", 12345, code)
			require.NoError(t, err, code)
			require.Equal(t, want, money.Currency().Decimals(), code)
			recorded, err := payment.ParseRecordedCurrency(code)
			require.NoError(t, err)
			require.Equal(t, money.Currency(), recorded)
			requireFieldError(t, recorded.CheckActive(), "currency", "currency must be an active ISO 4217 code with a minor unit, such as USD")
			read, err := payment.ParseMoney(money.Decimal(), recorded)
			require.NoError(t, err)
			require.Equal(t, money, read)
		}
	}
	for _, active := range everyCode() {
		require.NoError(t, active.CheckActive())
		_, err := payment.StoredMoney("order-1", 1, active.Code())
		require.NoError(t, err)
	}
	for _, code := range []string{"", "usd", "hrk", "ZZZ", "XEU", "XAU", "HRK "} {
		_, err := payment.StoredMoney("order-1", 1, code)
		var damaged *payment.StoredRowError
		require.ErrorAs(t, err, &damaged)
		require.Equal(t, "currency", damaged.Column)
		_, err = payment.ParseRecordedCurrency(code)
		requireClientSentence(t, err)
	}
	require.NoError(t, payment.Currency{}.CheckActive())
}

func TestCurrency_Zero(t *testing.T) {
	t.Parallel()
	var none payment.Currency
	require.Empty(t, none.Code())
	require.Empty(t, none.String())
	require.Zero(t, none.Decimals())
}

func requireFieldError(t testing.TB, err error, field, message string) {
	t.Helper()
	var refused *payment.FieldError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, field, refused.Field)
	require.Equal(t, message, refused.Message)
	require.EqualError(t, err, message)
}

// requireClientSentence fails unless the refusal names its field, is short and is plain ASCII, for any
// input.
func requireClientSentence(t testing.TB, err error) {
	t.Helper()
	var refused *payment.FieldError
	require.ErrorAs(t, err, &refused)
	require.Regexp(t, `^`+refused.Field+` must [ -~]{1,80}$`, refused.Message)
}
