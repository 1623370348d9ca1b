package payment

import "strings"

// listOne holds every active ISO 4217 code that has a minor unit, at the index
// that is its number of decimals.
//
// Source: ISO 4217 List One ("current currency & funds code list"), maintained by
// SIX Financial Information AG, in the edition published on 2026-09-17. Codes that
// were replaced are not in it: ANG (now XCG), BGN and HRK (EUR), CUC (CUP), SLL (SLE)
// and ZWL (ZWG).
// The digits are those of the standard, not of Unicode CLDR or of a card scheme,
// which differ for some (ISK and UGX have no decimals here).
//
// The fund codes of the list (BOV CHE CHW CLF COU MXV USN UYI UYW XAD) are included,
// because the table is about how an amount is written, and only the gateway decides
// which currencies it accepts. Codes without a minor unit in the list (metals, XDR,
// XTS, XXX and similar) are left out, because no amount of them can be exact.
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

// listThree holds the codes that have left ISO 4217, like listOne. A stored amount in one of them is
// read and replayed; new payments in it are refused.
//
// Source: ISO 4217 List Three ("historic denominations"), maintained by SIX Financial Information AG,
// with the code that left List One by January 2026 (BGN), without the codes that List One has again,
// and without units of account (XEU XFO XFU XRE). List Three gives no minor units. These are the ones
// that the standard gave while the codes were in List One, as recorded in the JDK's currency data.
var listThree = [...]string{
	0: "ADP BEF BYB BYR ESP GRD ITL LUF MGF PTE TPE TRL",

	2: "AFA ALK ANG AOK AON AOR ARA ARP ARY ATS AYM AZM BAD BEC BEL BGJ BGK BGL BGN BOP " +
		"BRB BRC BRE BRN BRR BUK CHC CSD CSJ CSK CUC CYP DDM DEM ECS ECV EEK ESA ESB FIM " +
		"FRF GEK GHC GHP GNE GNS GQE GWE GWP HRD HRK IEP ILP ILR ISJ LAJ LSM LTL LTT LUC " +
		"LUL LVL LVR MLF MRO MTL MTP MVQ MXP MZE MZM NIC NLG PEH PEI PES PLZ RHD ROK ROL " +
		"RUR SDD SDP SIT SKK SLL SRG STD SUR TJR TMM UAK UGS UGW USS UYN UYP VEB VEF VNC " +
		"YDD YUD YUM YUN ZAL ZMK ZRN ZRZ ZWC ZWD ZWL ZWN ZWR",
}

// currencies is listOne by code, and historic is listThree. Neither changes.
var (
	currencies = currenciesByCode(listOne[:])
	historic   = currenciesByCode(listThree[:])
)

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
	// A code from the table is safe to repeat in a message.
	if len(code) == len(Currency{}.code) {
		if meant, known := currencies[strings.ToUpper(code)]; known {
			return Currency{}, refuseCurrency("currency must be in upper case: " + meant.Code())
		}
	}
	return Currency{}, errUnknownCurrency()
}

// ParseRecordedCurrency is [ParseCurrency] for money that may have been taken before: a repeated
// request, or a gateway's records. It also returns currencies that have left ISO 4217.
func ParseRecordedCurrency(code string) (Currency, error) {
	if currency, known := currencyStored(code); known {
		return currency, nil
	}
	return ParseCurrency(code)
}

// CheckActive returns the *[FieldError] with which [ParseCurrency] refuses the currency if it has left
// ISO 4217, and nil for any other.
func (c Currency) CheckActive() error {
	if _, left := historic[c.Code()]; left {
		return errUnknownCurrency()
	}
	return nil
}

// currencyStored returns the currency of a stored row.
func currencyStored(code string) (Currency, bool) {
	if currency, known := currencies[code]; known {
		return currency, true
	}
	currency, known := historic[code]
	return currency, known
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

func currenciesByCode(list []string) map[string]Currency {
	byCode := make(map[string]Currency)
	for decimals, codes := range list {
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
