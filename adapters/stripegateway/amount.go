package stripegateway

import (
	"fmt"
	"strings"

	"paymentd/core/payment"
)

// Stripe counts an amount in the smallest unit of its currency, with exceptions (docs.stripe.com/currencies,
// "Minor units in API amounts", "Special cases"). The numbers are Stripe's, and not those of ISO 4217.
const (
	// zeroDecimal currencies are counted in whole units. ISO 4217 gives MGA two decimals.
	zeroDecimal = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
	// hundredfold currencies have no decimals but are counted in hundredths, for backward compatibility:
	// the amount must end in 00.
	hundredfold = "ISK UGX"
	// threeDecimal currencies are counted in thousandths, and the last digit must be 0.
	threeDecimal = "BHD JOD KWD OMR TND"
	// twoDecimal are the other currencies that Stripe charges. HUF and TWD have no decimals in payouts
	// only.
	twoDecimal = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BWP BYN BZD CAD CDF " +
		"CHF CNY COP CRC CVE CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS " +
		"INR JMD KES KGS KHR KYD KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN " +
		"NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SEK SGD SHP SLE SOS SRD STN SZL THB " +
		"TJS TOP TRY TTD TWD TZS UAH USD UYU UZS WST XCD XCG YER ZAR ZMW"
)

// unit is how Stripe counts a currency.
type unit struct {
	decimals int   // digits after the decimal point of Stripe's unit
	step     int64 // the amount must be a multiple of it
}

var units = unitsByCode()

func unitsByCode() map[string]unit {
	all := make(map[string]unit)
	for _, list := range []struct {
		codes string
		unit  unit
	}{
		{zeroDecimal, unit{decimals: 0, step: 1}},
		{hundredfold, unit{decimals: 2, step: 100}},
		{threeDecimal, unit{decimals: 3, step: 10}},
		{twoDecimal, unit{decimals: 2, step: 1}},
	} {
		for code := range strings.FieldsSeq(list.codes) {
			all[code] = list.unit
		}
	}
	return all
}

// amountOf returns the amount as Stripe counts it, and the currency as Stripe writes it. An amount that
// Stripe cannot express, or a currency that is not in its table, is an error that says what to change.
func amountOf(m payment.Money) (amount int64, currency string, err error) {
	code := m.Currency().Code()
	u, supported := units[code]
	if !supported {
		return 0, "", fmt.Errorf("Stripe does not charge in %s; use another gateway or currency", code) //nolint:staticcheck // a name
	}
	amount = m.Minor()
	for d := m.Currency().Decimals(); d < u.decimals; d++ {
		if amount > maxAmount {
			return 0, "", errTooLarge(m)
		}
		amount *= 10
	}
	for d := m.Currency().Decimals(); d > u.decimals; d-- {
		if amount%10 != 0 {
			return 0, "", errStep(m, u)
		}
		amount /= 10
	}
	switch {
	case amount%u.step != 0:
		return 0, "", errStep(m, u)
	case amount > maxAmount:
		return 0, "", errTooLarge(m)
	}
	return amount, strings.ToLower(code), nil
}

// maxAmount is the largest amount in Stripe's units for the currencies with the longest amounts
// (docs.stripe.com/currencies#minimum-and-maximum-charge-amounts: twelve digits for IDR). Stripe itself
// refuses what is too large for another currency.
const maxAmount = 999_999_999_999

func errTooLarge(m payment.Money) error {
	return fmt.Errorf("%s has more than the 12 digits that Stripe accepts; charge less", m)
}

func errStep(m payment.Money, u unit) error {
	if u.decimals == 3 {
		return fmt.Errorf("%s cannot be charged by Stripe: the third decimal must be 0 in %s", m, m.Currency())
	}
	return fmt.Errorf("%s cannot be charged by Stripe: it charges whole %s only", m, m.Currency())
}

// moneyOf returns an amount that Stripe reports. It is the reverse of [amountOf], for an amount above zero.
func moneyOf(amount int64, currency string) (payment.Money, error) {
	c, err := payment.ParseRecordedCurrency(strings.ToUpper(currency))
	if err != nil {
		return payment.Money{}, err
	}
	u, supported := units[c.Code()]
	if !supported {
		return payment.Money{}, fmt.Errorf("the unit of %s at Stripe is not known", c)
	}
	if amount > maxAmount {
		return payment.Money{}, fmt.Errorf("an amount of %d is too large", amount)
	}
	for d := u.decimals; d < c.Decimals(); d++ {
		amount *= 10
	}
	for d := u.decimals; d > c.Decimals(); d-- {
		if amount%10 != 0 {
			return payment.Money{}, fmt.Errorf("an amount of %d has more decimals than %s", amount, c)
		}
		amount /= 10
	}
	return payment.MoneyFromMinor(amount, c)
}
