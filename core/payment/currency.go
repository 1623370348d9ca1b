package payment

import "strings"

// listOne holds every active ISO 4217 code that has a minor unit, at the index
// that is its number of decimals.
//
// Source: ISO 4217 List One ("current currency & funds code list"), maintained by
// SIX Financial Information AG, in the edition published on 2026-09-17. So ANG is
// gone for XCG, BGN for EUR, CUC for CUP, HRK for EUR, SLL for SLE and ZWL for ZWG.
// The digits are those of the standard, not of Unicode CLDR or of a card scheme,
// which differ for some (ISK and UGX have no decimals here).
//
// The fund codes of the list (BOV CHE CHW CLF COU MXV USN UYI UYW XAD) are in: the
// table knows how an amount is written, and only the gateway knows what it takes.
// Codes to which the list gives no minor unit (metals, XDR, XTS, XXX and their
// like) are out, for no amount of them can be exact.
var listOne = [...]string{
	0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",

	2: "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP " +
		"BYN BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB " +
		"EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES " +
		"KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR " +
		"MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD " +
		"RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP " +
		"TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG",

	3: "BHD IQD JOD KWD LYD OMR TND",

	4: "CLF UYW",
}

// currencies is listOne by code, and only read once the program runs.
var currencies = currenciesByCode()

// Currency is a currency of the ISO 4217 table. It compares with ==, and its zero
// value is no currency.
type Currency struct {
	code     [3]byte
	decimals int
}

// ParseCurrency returns the currency with an alphabetic ISO 4217 code, in upper
// case as the standard has it. Its error is a *FieldError.
func ParseCurrency(code string) (Currency, error) {
	if currency, known := currencies[code]; known {
		return currency, nil
	}
	// A code from the table is safe to repeat, and is what the client meant.
	if len(code) == len(Currency{}.code) {
		if meant, known := currencies[strings.ToUpper(code)]; known {
			return Currency{}, refuseCurrency("currency must be in upper case: " + meant.Code())
		}
	}
	return Currency{}, errUnknownCurrency()
}

// Code returns the alphabetic ISO 4217 code, such as "USD", and "" for no currency.
func (c Currency) Code() string {
	if c == (Currency{}) {
		return ""
	}
	return string(c.code[:])
}

// String returns the code.
func (c Currency) String() string { return c.Code() }

// Decimals returns the currency's number of digits after the decimal point: 2 for
// USD, whose minor unit is a hundredth.
func (c Currency) Decimals() int { return c.decimals }

func currenciesByCode() map[string]Currency {
	byCode := make(map[string]Currency)
	for decimals, codes := range listOne {
		for code := range strings.FieldsSeq(codes) {
			byCode[code] = Currency{code: [3]byte([]byte(code)), decimals: decimals}
		}
	}
	return byCode
}

func errUnknownCurrency() error {
	return refuseCurrency("currency must be an active ISO 4217 code with a minor unit, such as USD")
}

func refuseCurrency(message string) error {
	return &FieldError{Field: "currency", Message: message}
}
