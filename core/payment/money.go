package payment

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// maxAmountDigits bounds an amount before any arithmetic. An IEEE 754 double holds
// fifteen decimal digits exactly, so a client whose JSON library uses doubles still
// sends and reads the intended amount.
const maxAmountDigits = 15

// powersOfTen holds the minor units in one unit of a currency, by its decimals.
var powersOfTen = [len(listOne)]int64{1, 10, 100, 1_000, 10_000}

// Money is an exact amount above zero: a whole number of a currency's minor units
// (cents for USD). It compares with ==. Its zero value is no amount.
type Money struct {
	minor    int64
	currency Currency
}

// ParseMoney reads an amount as a client writes it: the text of a JSON number or of
// a decimal string, byte for byte, in units of the currency (dollars for USD). It
// takes digits with at most one point between them, no more decimals than the
// currency has and at most 15 digits, and never goes through a float. Trailing zeros
// of the fraction do not count, so that all spellings of an amount are treated alike
// and the result of Decimal can always be parsed. Its error is a *FieldError.
func ParseMoney(amount string, currency Currency) (Money, error) {
	m, err := parseSum(amount, currency)
	if err == nil && m.minor == 0 {
		return Money{}, refuseAmount("amount must be above zero")
	}
	return m, err
}

// ParseSum is [ParseMoney] for an amount that may be zero, in minor units: a sum, such as of refunds.
func ParseSum(amount string, currency Currency) (minor int64, err error) {
	m, err := parseSum(amount, currency)
	return m.minor, err
}

func parseSum(amount string, currency Currency) (Money, error) {
	if currency == (Currency{}) {
		return Money{}, errUnknownCurrency()
	}
	whole, fraction, err := splitDecimal(amount)
	if err != nil {
		return Money{}, err
	}
	if len(fraction) > currency.Decimals() {
		return Money{}, refuseDecimals(currency)
	}
	fraction = strings.TrimRight(fraction, "0")
	if len(whole)+len(fraction) > maxAmountDigits {
		return Money{}, refuseAmount("amount must have at most %d digits", maxAmountDigits)
	}
	significant := valueOf(whole)*powersOfTen[len(fraction)] + valueOf(fraction)
	scale := powersOfTen[currency.Decimals()-len(fraction)]
	if limit := math.MaxInt64 / scale; significant > limit {
		// Only 15 digits without a fraction, times 10 000, exceed it, so the limit is in whole units.
		return Money{}, refuseAmount("amount must be at most %d in %s", limit, currency)
	}
	return Money{minor: significant * scale, currency: currency}, nil
}

// MoneyFromMinor returns the amount that a repository stored. Its error is not a
// FieldError, because what it refuses is a damaged row, which no client can repair.
func MoneyFromMinor(minor int64, currency Currency) (Money, error) {
	if currency == (Currency{}) {
		return Money{}, fmt.Errorf("stored amount of %d minor units has no currency", minor)
	}
	if minor <= 0 {
		return Money{}, fmt.Errorf("stored amount of %d minor units of %s is not above zero", minor, currency)
	}
	return Money{minor: minor, currency: currency}, nil
}

// Minor returns the amount in minor units: 1050 for 10.50 USD.
func (m Money) Minor() int64 { return m.minor }

// Currency returns the currency, with its number of decimals.
func (m Money) Currency() Currency { return m.currency }

// IsZero reports whether m is the zero value, which is no amount and not an amount of zero.
func (m Money) IsZero() bool { return m == Money{} }

// Decimal returns the amount in units with all the currency's decimals, "100.00"
// for USD and "100" for JPY: the form of the gateway protocol and of the API.
func (m Money) Decimal() string {
	var buffer [32]byte
	return string(m.appendDecimal(buffer[:0]))
}

// String returns the amount and its currency, "100.00 USD".
func (m Money) String() string {
	var buffer [32]byte
	text := append(m.appendDecimal(buffer[:0]), ' ')
	return string(append(text, m.currency.Code()...))
}

// Decimal returns an amount of minor units, which may be zero, as [Money.Decimal] does: a sum, such as of refunds.
func (c Currency) Decimal(minor int64) string { return Money{minor, c}.Decimal() }

func (m Money) appendDecimal(text []byte) []byte {
	scale := powersOfTen[m.currency.Decimals()]
	text = strconv.AppendInt(text, m.minor/scale, 10)
	if scale == 1 {
		return text
	}
	// Adding the scale puts a 1 before the fraction and so keeps the fraction's
	// leading zeros; the point then takes the place of that 1.
	point := len(text)
	text = strconv.AppendInt(text, scale+m.minor%scale, 10)
	text[point] = '.'
	return text
}

// splitDecimal cuts an amount at its point into two runs of digits; the second is
// empty if there is no point.
func splitDecimal(amount string) (whole, fraction string, err error) {
	if strings.HasPrefix(amount, "-") {
		return "", "", refuseAmount("amount must be above zero, without a minus sign")
	}
	whole, rest := cutDigits(amount)
	rest, pointed := strings.CutPrefix(rest, ".")
	if pointed {
		fraction, rest = cutDigits(rest)
	}
	switch {
	case whole != "" && rest != "" && (rest[0] == 'e' || rest[0] == 'E'):
		err = refuseAmount("amount must be written without an exponent: 1000, not 1e3")
	case rest != "" || whole == "" && !pointed:
		err = refuseAmount("amount must be digits with at most one decimal point, such as 100 or 9.99")
	case pointed && (whole == "" || fraction == ""):
		err = refuseAmount("amount must have digits before and after its decimal point, such as 0.5")
	case len(whole) > 1 && whole[0] == '0':
		err = refuseAmount("amount must be written without leading zeros: 7, not 007")
	}
	return whole, fraction, err
}

func cutDigits(text string) (digits, rest string) {
	end := 0
	for end < len(text) && '0' <= text[end] && text[end] <= '9' {
		end++
	}
	return text[:end], text[end:]
}

// valueOf returns the number that at most 15 ASCII digits spell, and 0 for none.
func valueOf(digits string) int64 {
	var value int64
	for i := range len(digits) {
		value = value*10 + int64(digits[i]-'0')
	}
	return value
}

func refuseDecimals(currency Currency) error {
	if currency.Decimals() == 0 {
		return refuseAmount("amount must have no decimals in %s", currency)
	}
	return refuseAmount("amount must have at most %d decimals in %s", currency.Decimals(), currency)
}

func refuseAmount(format string, args ...any) error {
	return &FieldError{Field: "amount", Message: fmt.Sprintf(format, args...)}
}
